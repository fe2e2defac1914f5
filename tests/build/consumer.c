/* A program of somebody else's: the gradient of sum(x * x) at (1, 2, 3). */
#include <stdio.h>
#include <string.h>
#include <wengert.h>

int main(void)
{
    printf("%s %s\n", wg_version(), WENGERT_VERSION);
    return strcmp(wg_version(), WENGERT_VERSION) != 0;
}
