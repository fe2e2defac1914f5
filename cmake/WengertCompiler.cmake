# Language level, warnings, hardening and sanitizers, gathered in interface targets so that they
# never leak into what is installed. CMAKE_C_FLAGS, CPPFLAGS and LDFLAGS of a distribution come first and stay.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
# GNU mode only for the POSIX declarations of the C library; the language used is C17.
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Linking with -ffast-math puts code into the program that flushes denormals in the whole process of
# the host; -march=native breaks the promise of one binary for every machine. Neither may come in.
foreach(flags IN ITEMS CMAKE_C_FLAGS CMAKE_C_FLAGS_RELEASE CMAKE_C_FLAGS_RELWITHDEBINFO
                       CMAKE_C_FLAGS_DEBUG CMAKE_EXE_LINKER_FLAGS CMAKE_SHARED_LINKER_FLAGS)
    if("${${flags}}" MATCHES "-ffast-math|-Ofast|-march=native|-funsafe-math-optimizations")
        message(FATAL_ERROR "${flags} holds '${CMAKE_MATCH_0}', which wengert does not support: "
                            "it changes results or the host's floating point environment")
    endif()
endforeach()

# Usage requirements of every file compiled here.
add_library(wengert_flags INTERFACE)
target_compile_options(wengert_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
    # gcc cannot see that wg_error_set returns the failure that it was given, and so takes every
    # output of a function that may fail for uninitialised after `if (status) return status;`.
    # -Wuninitialized stays on, and clang's analysis of it.
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
    # Contraction to fused multiply-adds is a choice of the kernel files alone.
    -ffp-contract=off)
if(WENGERT_WERROR)
    target_compile_options(wengert_flags INTERFACE -Werror)
endif()

# Hardening.
target_compile_options(wengert_flags INTERFACE -fstack-protector-strong)
if(NOT WENGERT_SANITIZE AND NOT "$ENV{CPPFLAGS} ${CMAKE_C_FLAGS}" MATCHES "_FORTIFY_SOURCE")
    target_compile_options(wengert_flags INTERFACE
        $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=2>)
endif()
target_link_options(wengert_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)

# Sanitizers.
if(WENGERT_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(WENGERT_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(WENGERT_SANITIZE)
    message(FATAL_ERROR "WENGERT_SANITIZE is '${WENGERT_SANITIZE}'; use address or thread")
endif()
if(WENGERT_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "WENGERT_FUZZ needs clang (CC=clang)")
    endif()
    target_compile_options(wengert_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(sanitize)
    target_compile_options(wengert_flags INTERFACE ${sanitize})
    target_link_options(wengert_flags INTERFACE ${sanitize})
endif()
