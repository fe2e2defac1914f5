/* The tool `wengert`: see dispatch.c. Apart from it, so that tests can link with everything else.
 */
#include "internal.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
