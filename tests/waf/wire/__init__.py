"""The firewall through the running proxy: real processes, real sockets."""
