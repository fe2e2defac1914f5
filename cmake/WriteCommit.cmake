# Writes OUTPUT with the commit of SOURCE_DIR, only when it changed. A source tree without git (a
# release tarball) says "unknown"; uncommitted changes are marked with "-dirty".
set(commit "unknown")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE_DIR}/.git)
    execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --match=
                    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE
                    ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0 AND found MATCHES "^[0-9a-f]+(-dirty)?$")
        set(commit ${found})
    endif()
endif()
set(text "#define WG_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
    file(WRITE ${OUTPUT} "${text}")
endif()
