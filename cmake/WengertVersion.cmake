# generated/wengert/version.h (public, changes with a release) and generated/wg_commit.h (private,
# rewritten at build time when the commit changes, so that only core/version.c is compiled again).

set(WENGERT_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
configure_file(${PROJECT_SOURCE_DIR}/core/version.h.in ${WENGERT_GENERATED_DIR}/wengert/version.h @ONLY)

add_custom_target(wengert_commit
    COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
            -DOUTPUT=${WENGERT_GENERATED_DIR}/wg_commit.h
            -P ${PROJECT_SOURCE_DIR}/cmake/WriteCommit.cmake
    BYPRODUCTS ${WENGERT_GENERATED_DIR}/wg_commit.h
    COMMENT "Looking up the commit")
