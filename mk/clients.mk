# The clients for other languages (clients/). Nothing else needs them, and the tests compile their own copies.

##@ Clients
## Bouncy Castle for the Java client; with 1.79 or later it has post-quantum handshakes
BOUNCY_CASTLE ?= /usr/share/java/bcprov.jar
.PHONY: java-client
## compile the Java client into build/java/pfswrap-seal.jar with javac (Debian: openjdk-17-jdk-headless, libbcprov-java)
java-client:
	@clients/java/compile $(B)/java $(BOUNCY_CASTLE)
	@echo "$(B)/java/pfswrap-seal.jar"
