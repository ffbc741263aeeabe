import socket
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(("127.0.0.1",7777)); s.listen()
c,a=s.accept()
print("accepted",a,flush=True)
while True:
    d=c.recv(65536)
    if not d: break
    c.sendall(d.upper())
print("eof",flush=True)
c.close()
