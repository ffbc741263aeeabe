import socket
s=socket.create_connection(("127.0.0.1",7777))
s.sendall(b"hello world")
print(s.recv(100))
big=b"abc"*1000000
import threading
t=threading.Thread(target=lambda:(s.sendall(big),s.shutdown(1))); t.start()
n=0
while True:
    d=s.recv(65536)
    if not d: break
    n+=len(d)
print(n, len(big))
