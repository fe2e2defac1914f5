# tests/<topic>/test_<name>.c is the cmocka program test_<topic>_<name> and the ctest
# <topic>.<name>. They link with the static library, so that they reach internal functions too.

wengert_pkg(CMOCKA cmocka)

set(private_includes ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests/support)
foreach(layer IN ITEMS core ops models io serve)
    list(APPEND private_includes ${PROJECT_SOURCE_DIR}/${layer})
endforeach()

add_library(wengert_test_deps INTERFACE)
target_include_directories(wengert_test_deps INTERFACE ${private_includes})
target_compile_definitions(wengert_test_deps INTERFACE
    WGT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" WGT_BUILD_DIR="${PROJECT_BINARY_DIR}")
target_link_libraries(wengert_test_deps INTERFACE wengert_linked wengert_flags wengert_deps
                      PkgConfig::CMOCKA)

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
if(sources)
    add_library(wengert_test_support STATIC ${sources})
    target_link_libraries(wengert_test_support PUBLIC wengert_test_deps)
else()
    add_library(wengert_test_support INTERFACE)
    target_link_libraries(wengert_test_support INTERFACE wengert_test_deps)
endif()

set(WENGERT_TEST_ENVIRONMENT WENGERT_BIN=${PROJECT_BINARY_DIR}/bin
    WENGERT_PLUGINS=${PROJECT_BINARY_DIR}/plugins
    WENGERT_SOURCE_DIR=${PROJECT_SOURCE_DIR} WENGERT_BUILD_DIR=${PROJECT_BINARY_DIR}
    WENGERT_SANITIZE=${WENGERT_SANITIZE} WENGERT_CC=${CMAKE_C_COMPILER})
# Several tests share the cores, so waiting threads must not spin on them.
list(APPEND WENGERT_TEST_ENVIRONMENT OMP_WAIT_POLICY=passive UBSAN_OPTIONS=print_stacktrace=1)
if(WENGERT_SANITIZE STREQUAL "thread")
    # libgomp inside the BLAS libraries is not instrumented: its barriers look like races.
    list(APPEND WENGERT_TEST_ENVIRONMENT OMP_NUM_THREADS=1
         "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp")
endif()

# wengert_register(TOPIC NAME COMMAND...): what all tests share. A name that ends in _slow gets that
# label too, by which sanitizer runs leave it out.
function(wengert_register topic name)
    add_test(NAME ${topic}.${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set(labels ${topic})
    set(timeout 300)
    if(name MATCHES "_slow$")
        list(APPEND labels slow)
        set(timeout 900)
    endif()
    if(WENGERT_SANITIZE)
        math(EXPR timeout "3 * ${timeout}")
    endif()
    set_tests_properties(${topic}.${name} PROPERTIES
        SKIP_RETURN_CODE 77 TIMEOUT ${timeout} LABELS "${labels}"
        ENVIRONMENT "${WENGERT_TEST_ENVIRONMENT}")
endfunction()

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/test_*.c)
if(NOT WENGERT_BUILD_BENCH)
    list(FILTER sources EXCLUDE REGEX "/tests/bench/")
endif()
foreach(source IN LISTS sources)
    get_filename_component(topic ${source} DIRECTORY)
    get_filename_component(topic ${topic} NAME)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(target test_${topic}_${name})
    add_executable(${target} ${source})
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(${target} PRIVATE wengert_test_support)
    if(topic STREQUAL "cli")
        target_link_libraries(${target} PRIVATE wengert_cli)
        add_dependencies(${target} wengert_tool)
    endif()
    if(topic STREQUAL "bench")
        target_link_libraries(${target} PRIVATE wengert_bench_parts)
    endif()
    wengert_register(${topic} ${name} ${target})
endforeach()

if(TARGET test_build_fpenv)
    target_link_libraries(test_build_fpenv PRIVATE m ${CMAKE_DL_LIBS})
    add_dependencies(test_build_fpenv wengert_shared)
endif()

# tests/<topic>/test_<name>.sh is the ctest <topic>.<name> as well; it exits with 77 to be skipped.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/test_*.sh)
foreach(source IN LISTS sources)
    get_filename_component(topic ${source} DIRECTORY)
    get_filename_component(topic ${topic} NAME)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    wengert_register(${topic} ${name} sh ${source})
endforeach()

# tests/preload/<name>.c is build/tests/<name>.so, which tests load before the C library. It is built
# without sanitizers, whose runtime wants to be the first.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/preload/*.c)
foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    add_library(preload_${name} MODULE ${source})
    set_target_properties(preload_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        C_VISIBILITY_PRESET default
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_compile_options(preload_${name} PRIVATE -Wall -Wextra -Wshadow -fstack-protector-strong)
    target_link_libraries(preload_${name} PRIVATE ${CMAKE_DL_LIBS})
endforeach()

if(WENGERT_FUZZ)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(${name} ${source})
        target_link_libraries(${name} PRIVATE wengert_test_deps)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    endforeach()
endif()
