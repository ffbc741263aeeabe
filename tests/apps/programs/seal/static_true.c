// link: -static-pie
/* true(1), statically linked: a program that cannot be preloaded into. */
int main(void)
{
    return 0;
}
