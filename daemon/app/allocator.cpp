// What jemalloc reads when nudged starts. Customers are met in no order, all over one or two gigabytes: with large pages the processor finds
// the address of each without walking tables for it. (docs/performance.md has the figures.) MALLOC_CONF in the environment goes before this.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "thp:always,metadata_thp:auto";
}
