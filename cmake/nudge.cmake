# Flags, the shared precompiled header and two helper functions used by every folder.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(NUDGE_CCACHE ccache)
if(NUDGE_CCACHE)
  # A build of another checkout, or of another folder of this one, hits the same cache entries.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${NUDGE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()

find_program(NUDGE_LLD NAMES ld.lld-19 ld.lld)
if(NUDGE_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(--ld-path=${NUDGE_LLD})
endif()

# Nothing that was bound at the start can be overwritten afterwards, and no stack holds code.
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)

# -pthread everywhere, or nowhere: clang takes no precompiled header that was made without it.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(nudge_options INTERFACE)
target_link_libraries(nudge_options INTERFACE Threads::Threads)
target_include_directories(nudge_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(nudge_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized -Wno-restrict -Wno-null-dereference -Wno-missing-field-initializers -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-dangling-pointer>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wno-missing-field-initializers -Wno-missing-designated-field-initializers>
  $<$<BOOL:${NUDGE_WERROR}>:-Werror>
  # A precompiled header is checked by content, not by the time stamps of what it was made from: the cache may have made it elsewhere.
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:SHELL:-Xclang -fno-pch-timestamp>
  -fno-omit-frame-pointer)
# Everywhere, because clang refuses a precompiled header that was made without it in a file that has it.
target_compile_options(nudge_options INTERFACE -pthread)
target_link_options(nudge_options INTERFACE -pthread)
if(NUDGE_SANITIZE)
  list(JOIN NUDGE_SANITIZE "," sanitizers)
  target_compile_options(nudge_options INTERFACE -fsanitize=${sanitizers} -fno-sanitize-recover=all)
  target_link_options(nudge_options INTERFACE -fsanitize=${sanitizers})
  if("undefined" IN_LIST NUDGE_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Coroutines and -fsanitize=function do not go together on clang.
    target_compile_options(nudge_options INTERFACE -fno-sanitize=function)
  endif()
endif()

# What nudged does most, counted by tests/bench/train: the compiler lays the code out for it. Under a name of its contents, so that other
# counts compile everything anew.
set(profile ${PROJECT_SOURCE_DIR}/cmake/nudge.profdata)
# Functions of one file are known by its name alone, wherever the checkout is.
set(profile_names "SHELL:-mllvm -static-func-full-module-prefix=false")
if(NUDGE_TRAIN)
  target_compile_options(nudge_options INTERFACE -fprofile-generate ${profile_names})
  target_link_options(nudge_options INTERFACE -fprofile-generate)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 19
       AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 20 AND NOT NUDGE_SANITIZE AND EXISTS ${profile})
  file(SHA256 ${profile} hash)
  string(SUBSTRING ${hash} 0 12 hash)
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${profile})
  configure_file(${profile} ${PROJECT_BINARY_DIR}/${hash}.profdata COPYONLY)
  target_compile_options(nudge_options INTERFACE -fprofile-use=${PROJECT_BINARY_DIR}/${hash}.profdata ${profile_names}
    -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date -Wno-backend-plugin)
endif()

# One small std-only header, precompiled once and reused by every target.
file(WRITE ${PROJECT_BINARY_DIR}/nudge_pch.cpp "")
add_library(nudge_pch STATIC ${PROJECT_BINARY_DIR}/nudge_pch.cpp)
target_link_libraries(nudge_pch PUBLIC nudge_options)
target_precompile_headers(nudge_pch PRIVATE
  <string> <string_view> <vector> <memory> <optional> <span> <chrono> <functional> <unordered_map> <map> <variant> <expected> <algorithm>)

# nudge_library(name SOURCES a.cpp … PUBLIC deps … PRIVATE deps …)
function(nudge_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC nudge_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  target_precompile_headers(${name} REUSE_FROM nudge_pch)
endfunction()

# nudge_executable(name SOURCES … DEPENDS … [PCH target])
function(nudge_executable name)
  cmake_parse_arguments(arg "" "PCH" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_PCH)
    set(arg_PCH nudge_pch)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE -fPIC)  # as the shared header was compiled: clang refuses it with -fPIE
  target_link_libraries(${name} PRIVATE nudge_options ${arg_DEPENDS})
  target_precompile_headers(${name} REUSE_FROM ${arg_PCH})
endfunction()
