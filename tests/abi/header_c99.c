/* The header as C99 sees it: every offset in one table, which abi_test.cpp compares with the golden list and with C++. */
#include "nudge/connector.h"

struct offset_row {
  const char* name;
  size_t at;
};

#define ROW(type, field) {#type "." #field, offsetof(type, field)}
#define SIZE(type) {"sizeof " #type, sizeof(type)}

extern const struct offset_row nudge_abi_c_offsets[];
const struct offset_row nudge_abi_c_offsets[] = {
#include "offsets.inc"
    {0, 0}};
