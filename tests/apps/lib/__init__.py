"""What the application tests share: TAP output, processes and ports, certificates, wrapping, audit log, TLS probes.

A test script is a list of cases about one program; what two scripts need is in here.
Python's standard library and the openssl command only.
"""
