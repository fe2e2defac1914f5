# `cmake --install`: headers, both libraries, the tool, the CMake package and the pkg-config files;
# and wengert-uninstalled.pc, with which pkg-config serves the build tree.

include(CMakePackageConfigHelpers)

set(WENGERT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/wengert)
set(WENGERT_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/wengert/plugins)

foreach(layer IN ITEMS core ops models io serve)
    if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/${layer}/include)
        install(DIRECTORY ${PROJECT_SOURCE_DIR}/${layer}/include/
                DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
    endif()
endforeach()
install(FILES ${WENGERT_GENERATED_DIR}/wengert/version.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/wengert)

# Two sets, so that a program with the shared library needs none of its dependencies' headers.
install(TARGETS wengert_shared EXPORT wengert-shared
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS wengert_static EXPORT wengert-static
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(kind IN ITEMS shared static)
    install(EXPORT wengert-${kind} FILE wengert-${kind}-targets.cmake NAMESPACE wengert::
            DESTINATION ${WENGERT_CMAKE_DIR})
endforeach()

# What a static link needs, as pkg-config says it.
set(WENGERT_PC_REQUIRES "lapacke openblas libuv zlib libutf8proc libcjson")
string(REPLACE " " ";" WENGERT_PC_REQUIRES_LIST "${WENGERT_PC_REQUIRES}")

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/wengert-config.cmake.in ${PROJECT_BINARY_DIR}/wengert-config.cmake
    INSTALL_DESTINATION ${WENGERT_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/wengert-config-version.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/wengert-config.cmake
              ${PROJECT_BINARY_DIR}/wengert-config-version.cmake
        DESTINATION ${WENGERT_CMAKE_DIR})

if(TARGET wengert_tool)
    install(TARGETS wengert_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

    # The tool writes its own manual page and completions, so they are made where it can run.
    if(NOT CMAKE_CROSSCOMPILING AND NOT WENGERT_SANITIZE AND NOT WENGERT_FUZZ)
        set(share ${PROJECT_BINARY_DIR}/share)
        file(MAKE_DIRECTORY ${share})
        add_custom_command(
            OUTPUT ${share}/wengert.1 ${share}/wengert ${share}/_wengert ${share}/wengert.fish
            COMMAND wengert_tool help --man > ${share}/wengert.1
            COMMAND wengert_tool help --completion bash > ${share}/wengert
            COMMAND wengert_tool help --completion zsh > ${share}/_wengert
            COMMAND wengert_tool help --completion fish > ${share}/wengert.fish
            DEPENDS wengert_tool VERBATIM
            COMMENT "Writing the manual page and completions")
        add_custom_target(wengert_share ALL DEPENDS ${share}/wengert.1)
        install(FILES ${share}/wengert.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
        install(FILES ${share}/wengert
                DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
        install(FILES ${share}/_wengert DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
        install(FILES ${share}/wengert.fish
                DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
    endif()
endif()

set(WENGERT_PC_LIBS "-lm -ldl -pthread")
if(WENGERT_WITH_ONEDNN)
    string(PREPEND WENGERT_PC_LIBS "-ldnnl ")
endif()
if(WENGERT_THREADS_BACKEND STREQUAL "openmp")
    list(JOIN OpenMP_C_FLAGS " " WENGERT_OPENMP_FLAGS)
    string(PREPEND WENGERT_PC_LIBS "${WENGERT_OPENMP_FLAGS} ")
endif()

# Relative to the .pc file where possible, so that an installed tree can be moved.
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR absolute_lib)
cmake_path(IS_ABSOLUTE CMAKE_INSTALL_INCLUDEDIR absolute_include)
if(absolute_lib OR absolute_include)
    set(WENGERT_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(WENGERT_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(WENGERT_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
               BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE up)
    set(WENGERT_PC_PREFIX "\${pcfiledir}/${up}")
    set(WENGERT_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(WENGERT_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/wengert.pc.in ${PROJECT_BINARY_DIR}/install/wengert.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/install/wengert.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

list(TRANSFORM WENGERT_PUBLIC_INCLUDES PREPEND "-I" OUTPUT_VARIABLE include_flags)
list(JOIN include_flags " " WENGERT_PC_UNINSTALLED_CFLAGS)
configure_file(${PROJECT_SOURCE_DIR}/cmake/wengert-uninstalled.pc.in
               ${PROJECT_BINARY_DIR}/wengert-uninstalled.pc @ONLY)

# find_package(wengert) also works with -Dwengert_DIR=<build tree>.
foreach(kind IN ITEMS shared static)
    export(EXPORT wengert-${kind} NAMESPACE wengert::
           FILE ${PROJECT_BINARY_DIR}/wengert-${kind}-targets.cmake)
endforeach()
