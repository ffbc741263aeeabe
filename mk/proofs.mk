# Proofs of the handshakes, from models of docs/WIRE.md: `make proofs PROOF="NK IKhfs"` chooses models by words of their names.

##@ Long tests
## words of the models that `make proofs` runs (default: all)
PROOF ?=

.PHONY: proofs
## prove properties of the handshakes with ProVerif (PROVERIF=PATH), and compare them with docs/PROOFS.md (ten minutes)
proofs:
	@python3 -B tests/proofs/run $(foreach word,$(PROOF),'$(word)')
