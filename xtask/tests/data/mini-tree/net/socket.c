static char buffer[4096];

char *socket_buffer(void) { return buffer; }
