# The tool, and the examples: a program for each examples/*.c, a plugin for each examples/plugins/*.c.

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cli/*.c)
list(FILTER sources EXCLUDE REGEX "/main\\.c$")
# All of the tool but main, so that tests can link with its parser.
add_library(wengert_cli STATIC ${sources})
target_include_directories(wengert_cli PUBLIC ${PROJECT_SOURCE_DIR}/cli)
target_link_libraries(wengert_cli PUBLIC wengert_linked PRIVATE wengert_flags wengert_deps)
add_executable(wengert_tool ${PROJECT_SOURCE_DIR}/cli/main.c)
set_target_properties(wengert_tool PROPERTIES OUTPUT_NAME wengert)
target_link_libraries(wengert_tool PRIVATE wengert_cli wengert_flags)

if(WENGERT_BUILD_EXAMPLES)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME example_${name})
        target_link_libraries(example_${name} PRIVATE wengert_shared wengert_flags m)
    endforeach()

    # A plugin links with nothing of wengert: the host hands it a table of functions.
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/plugins/*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_library(plugin_${name} MODULE ${source})
        set_target_properties(plugin_${name} PROPERTIES
            PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins)
        target_include_directories(plugin_${name} PRIVATE ${WENGERT_PUBLIC_INCLUDES})
        target_link_libraries(plugin_${name} PRIVATE wengert_flags m)
        if(NOT WENGERT_SANITIZE AND NOT WENGERT_FUZZ)
            target_link_options(plugin_${name} PRIVATE -Wl,-z,defs)
        endif()
    endforeach()
endif()
