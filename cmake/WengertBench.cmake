# wengert-bench: tests/bench/*.c but its tests, with the cells of an example linked in as they stand,
# and the loops of the hand-written step once for each instruction set.

set(bench ${PROJECT_SOURCE_DIR}/tests/bench)
file(GLOB sources CONFIGURE_DEPENDS ${bench}/*.c)
list(FILTER sources EXCLUDE REGEX "/(main|bench_io|hand_pointwise|test_[a-z0-9_]*)\\.c$")

add_library(wengert_bench_cells OBJECT ${PROJECT_SOURCE_DIR}/examples/plugins/lstm_variants.c)
target_compile_definitions(wengert_bench_cells PRIVATE WENGERT_STATIC_PLUGIN=1)
target_include_directories(wengert_bench_cells PRIVATE ${WENGERT_PUBLIC_INCLUDES})
target_link_libraries(wengert_bench_cells PRIVATE wengert_flags)

add_library(wengert_bench_parts STATIC ${sources} $<TARGET_OBJECTS:wengert_bench_cells>)
target_include_directories(wengert_bench_parts PUBLIC ${bench})
target_link_libraries(wengert_bench_parts PUBLIC wengert_linked wengert_flags wengert_deps)
# Flags of a source file come last: behind the -ffp-contract=off of everything else.
set_source_files_properties(${bench}/hand_pointwise.c PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
foreach(isa IN LISTS WENGERT_ISAS)
    add_library(wengert_bench_${isa} OBJECT ${bench}/hand_pointwise.c)
    target_compile_definitions(wengert_bench_${isa} PRIVATE HAND_ISA=${isa})
    target_compile_options(wengert_bench_${isa} PRIVATE
        $<$<CONFIG:Release,RelWithDebInfo>:-O3> -fopenmp-simd -fno-math-errno -fno-trapping-math
        ${WENGERT_ISA_FLAGS_${isa}})
    target_link_libraries(wengert_bench_${isa} PRIVATE wengert_flags)
    target_sources(wengert_bench_parts PRIVATE $<TARGET_OBJECTS:wengert_bench_${isa}>)
endforeach()
if("avx2" IN_LIST WENGERT_ISAS)
    target_compile_definitions(wengert_bench_parts PRIVATE BENCH_HAVE_AVX=1)
endif()

add_executable(wengert-bench ${bench}/main.c)
target_link_libraries(wengert-bench PRIVATE wengert_bench_parts)

# Texts need the io layer alone.
add_executable(bench_text ${PROJECT_SOURCE_DIR}/tests/io/bench_text.c)
target_link_libraries(bench_text PRIVATE wengert_test_deps)
# Checkpoints, beside numpy: tests/bench/bench_io.sh runs it.
add_executable(bench_io ${bench}/bench_io.c)
target_link_libraries(bench_io PRIVATE wengert_bench_parts)
