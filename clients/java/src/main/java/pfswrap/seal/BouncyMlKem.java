package pfswrap.seal;

import java.security.SecureRandom;
import java.util.Arrays;
import org.bouncycastle.crypto.SecretWithEncapsulation;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMExtractor;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMGenerator;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMKeyGenerationParameters;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMKeyPairGenerator;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMParameters;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMPrivateKeyParameters;
import org.bouncycastle.pqc.crypto.mlkem.MLKEMPublicKeyParameters;

/** ML-KEM-768 of Bouncy Castle 1.79 or later. The Makefile leaves this file out with an older one. */
final class BouncyMlKem implements MlKem {
    private static final MLKEMParameters PARAMETERS = MLKEMParameters.ml_kem_768;

    BouncyMlKem() {
    }

    private static MLKEMPrivateKeyParameters expand(byte[] seed) {
        final MLKEMKeyPairGenerator generator = new MLKEMKeyPairGenerator();

        generator.init(new MLKEMKeyGenerationParameters(new SecureRandom(), PARAMETERS));
        return (MLKEMPrivateKeyParameters) generator
                .internalGenerateKeyPair(Arrays.copyOf(seed, 32), Arrays.copyOfRange(seed, 32, SEED)).getPrivate();
    }

    @Override
    public byte[] publicKey(byte[] seed) {
        return expand(seed).getPublicKey();
    }

    @Override
    public byte[][] encapsulate(byte[] publicKey, byte[] random) {
        final SecretWithEncapsulation made = new MLKEMGenerator(new SecureRandom())
                .internalGenerateEncapsulated(new MLKEMPublicKeyParameters(PARAMETERS, publicKey), random);

        return new byte[][] {made.getEncapsulation(), made.getSecret()};
    }

    @Override
    public byte[] decapsulate(byte[] seed, byte[] ciphertext) {
        return new MLKEMExtractor(expand(seed)).extractSecret(ciphertext);
    }
}
