/* The table of functions that this library hands to plugins. It is here, above ops, because it
 * holds functions of theirs; core's loader only knows that it exists. */
#define WG_BUILDING 1

#include <wengert/ops.h>
#include <wengert/plugin.h>

extern const wg_host wg__host_table; /* core/plugin.c says the same */

#define ENTRY_F(type, name, params, args) .name = name,
#define ENTRY_P(name, params, args) .name = name,

const wg_host wg__host_table = {
    .size = sizeof(wg_host), .abi = WG_PLUGIN_ABI, WG_HOST_API(ENTRY_F, ENTRY_P)};
