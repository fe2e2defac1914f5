# The library: one object library a layer, kernels once for each instruction set, and from these
# objects the static and the shared library.

include(CheckCCompilerFlag)

set(WENGERT_INCLUDE_core core)
set(WENGERT_INCLUDE_ops core ops)
set(WENGERT_INCLUDE_models core ops models)
set(WENGERT_INCLUDE_io core io)
set(WENGERT_INCLUDE_serve core ops models io serve)

set(WENGERT_PUBLIC_INCLUDES ${WENGERT_GENERATED_DIR})
foreach(layer IN ITEMS core ops models io serve)
    list(APPEND WENGERT_PUBLIC_INCLUDES ${PROJECT_SOURCE_DIR}/${layer}/include)
endforeach()

# Flat passes over parameters: a square root without errno, else gcc does not vectorise them.
set_source_files_properties(${PROJECT_SOURCE_DIR}/models/flat.c PROPERTIES
    COMPILE_OPTIONS "$<$<CONFIG:Release,RelWithDebInfo>:-O3>;-fno-math-errno;-fno-trapping-math")

# Instruction sets of the kernel files. They are chosen at run time through tables of functions.
set(WENGERT_ISAS base)
set(WENGERT_ISA_FLAGS_base "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    list(APPEND WENGERT_ISAS avx2 avx512)
    set(WENGERT_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
    set(WENGERT_ISA_FLAGS_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c
        -mprefer-vector-width=512)
endif()

set(WENGERT_OBJECTS "")

function(wengert_objects target layer)
    add_library(${target} OBJECT ${ARGN})
    target_link_libraries(${target} PRIVATE wengert_flags wengert_deps)
    foreach(below IN LISTS WENGERT_INCLUDE_${layer})
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/${below}/include)
    endforeach()
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/${layer} ${WENGERT_GENERATED_DIR})
    foreach(isa IN LISTS WENGERT_ISAS)
        string(TOUPPER ${isa} upper)
        target_compile_definitions(${target} PRIVATE WG_HAVE_ISA_${upper}=1)
    endforeach()
    add_dependencies(${target} wengert_commit)
    set(WENGERT_OBJECTS ${WENGERT_OBJECTS} $<TARGET_OBJECTS:${target}> PARENT_SCOPE)
endfunction()

foreach(layer IN ITEMS core ops models io serve)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${layer}/*.c
         ${PROJECT_SOURCE_DIR}/${layer}/passes/*.c ${PROJECT_SOURCE_DIR}/${layer}/cells/*.c)
    if(sources)
        wengert_objects(wengert_${layer} ${layer} ${sources})
    endif()
endforeach()

file(GLOB kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/kernels/*.c)
if(kernels)
    foreach(isa IN LISTS WENGERT_ISAS)
        wengert_objects(wengert_kernels_${isa} ops ${kernels})
        target_include_directories(wengert_kernels_${isa} PRIVATE ${PROJECT_SOURCE_DIR}/ops/kernels)
        target_compile_definitions(wengert_kernels_${isa} PRIVATE WG_ISA_NAME=${isa})
        target_compile_options(wengert_kernels_${isa} PRIVATE
            $<$<CONFIG:Release,RelWithDebInfo>:-O3> -fopenmp-simd -fno-math-errno -fno-trapping-math
            ${WENGERT_ISA_FLAGS_${isa}})
    endforeach()
    # Flags of source files come last: behind the -ffp-contract=off of everything else. trees.c must
    # round as the ops do that it stands for; products without fused multiply-adds run at 60 to 75 %
    # of the speed they have with them (test_panels asks for them). Their loops are a line and a half
    # of code that runs at the decoder's pace when the core's other thread is busy: where they start
    # counts (the same file at two places: 63 and 80 GFLOP/s).
    # The same holds for sums and products of rows: 0.11 or 0.21 ns an element. gcc threads a bound on
    # an argument (x < -120, say) through everything computed from it, which leaves loops of vectors
    # with two of each comparison and a choice more: 10 to 30 % of exp, log, softplus, erf.
    check_c_compiler_flag(-falign-loops=64 WENGERT_HAVE_ALIGN_LOOPS)
    check_c_compiler_flag(-fno-thread-jumps WENGERT_HAVE_NO_THREAD_JUMPS)
    set(align $<$<BOOL:${WENGERT_HAVE_ALIGN_LOOPS}>:-falign-loops=64>)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/ops/kernels/table.c PROPERTIES
        COMPILE_OPTIONS "-ffp-contract=fast;${align};$<$<BOOL:${WENGERT_HAVE_NO_THREAD_JUMPS}>:-fno-thread-jumps>")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/ops/kernels/trees.c PROPERTIES
        COMPILE_OPTIONS "${align}")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/ops/kernels/block.c
        ${PROJECT_SOURCE_DIR}/ops/kernels/panel.c ${PROJECT_SOURCE_DIR}/ops/kernels/small.c PROPERTIES
        COMPILE_OPTIONS "-ffp-contract=fast;${align}")
    # Fuzzers look for what files do to parsers; checks in the unrolled loops of kernels would keep clang
    # busy for minutes a file.
    if(WENGERT_FUZZ)
        set_property(SOURCE ${kernels} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=all)
    endif()
endif()

add_library(wengert_static STATIC ${WENGERT_OBJECTS})
add_library(wengert_shared SHARED ${WENGERT_OBJECTS})
add_library(wengert::wengert ALIAS wengert_shared)
add_library(wengert::wengert_static ALIAS wengert_static)

foreach(library IN ITEMS wengert_static wengert_shared)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME wengert LINKER_LANGUAGE C)
    foreach(dir IN LISTS WENGERT_PUBLIC_INCLUDES)
        target_include_directories(${library} PUBLIC $<BUILD_INTERFACE:${dir}>)
    endforeach()
endforeach()

# Programs of this project link with the static library and what it is built on; installed users of
# the static library are told by wengert-config.cmake.
add_library(wengert_linked INTERFACE)
target_link_libraries(wengert_linked INTERFACE wengert_static $<LINK_ONLY:wengert_deps>)

target_link_libraries(wengert_shared PRIVATE wengert_flags wengert_deps)
set_target_properties(wengert_shared PROPERTIES
    EXPORT_NAME wengert
    VERSION ${PROJECT_VERSION}
    SOVERSION ${WENGERT_SOVERSION}
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/wengert.map)
target_link_options(wengert_shared PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/wengert.map)
if(NOT WENGERT_SANITIZE AND NOT WENGERT_FUZZ)
    target_link_options(wengert_shared PRIVATE -Wl,-z,defs)
endif()
