# Libraries, all from the distribution (scripts/install-deps.sh); nothing is downloaded.
# liblbfgs joins with the CRF trainer, which is its only user.

find_package(PkgConfig REQUIRED)
set(WENGERT_HINT "run scripts/install-deps.sh to install what is missing")

# Where several builds of OpenBLAS are installed, pkg-config knows the one that the alternatives
# system chose; wanted is the one whose threads are OpenMP's, like ours.
if(EXISTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp/pkgconfig)
    set(ENV{PKG_CONFIG_PATH}
        "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp/pkgconfig:$ENV{PKG_CONFIG_PATH}")
endif()

macro(wengert_pkg name module)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "library '${module}' not found by pkg-config; ${WENGERT_HINT}")
    endif()
endmacro()

wengert_pkg(OPENBLAS openblas)
wengert_pkg(LAPACKE lapacke)
wengert_pkg(LIBUV libuv)
wengert_pkg(ZLIB zlib)
wengert_pkg(UTF8PROC libutf8proc)
wengert_pkg(CJSON libcjson)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h)
if(NOT RANDOM123_INCLUDE_DIR)
    message(FATAL_ERROR "header Random123/philox.h not found; ${WENGERT_HINT}")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_library(WENGERT_LIBM m)

# Everything the library links with; headers of it are private to the library.
add_library(wengert_deps INTERFACE)
target_link_libraries(wengert_deps INTERFACE
    PkgConfig::LAPACKE PkgConfig::OPENBLAS PkgConfig::LIBUV PkgConfig::ZLIB PkgConfig::UTF8PROC
    PkgConfig::CJSON Threads::Threads ${CMAKE_DL_LIBS} m)
target_include_directories(wengert_deps SYSTEM INTERFACE ${RANDOM123_INCLUDE_DIR})

if(WENGERT_WITH_ONEDNN)
    # Not find_package(dnnl): Debian's file of that name asks for OpenCL's development files, which
    # its package only recommends and which the C API does not need.
    find_path(DNNL_INCLUDE_DIR dnnl.h)
    find_library(DNNL_LIBRARY dnnl)
    if(NOT DNNL_INCLUDE_DIR OR NOT DNNL_LIBRARY)
        message(FATAL_ERROR "oneDNN not found; ${WENGERT_HINT}, or configure with "
                            "-DWENGERT_WITH_ONEDNN=OFF")
    endif()
    target_include_directories(wengert_deps SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
    target_link_libraries(wengert_deps INTERFACE ${DNNL_LIBRARY})
    target_compile_definitions(wengert_deps INTERFACE WG_HAVE_ONEDNN=1)
endif()

if(WENGERT_THREADS_BACKEND STREQUAL "openmp")
    find_package(OpenMP QUIET COMPONENTS C)
    if(NOT OpenMP_C_FOUND)
        message(FATAL_ERROR "the compiler has no OpenMP; ${WENGERT_HINT}, or configure with "
                            "-DWENGERT_THREADS_BACKEND=pthread")
    endif()
    target_link_libraries(wengert_deps INTERFACE OpenMP::OpenMP_C)
elseif(WENGERT_THREADS_BACKEND STREQUAL "pthread")
    target_compile_definitions(wengert_deps INTERFACE WG_PARALLEL_PTHREAD=1)
    target_compile_options(wengert_deps INTERFACE -fopenmp-simd)
else()
    message(FATAL_ERROR "WENGERT_THREADS_BACKEND is '${WENGERT_THREADS_BACKEND}'; "
                        "use openmp or pthread")
endif()
