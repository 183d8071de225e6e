"""Who asks: certificates, tokens, the PKI, and certificates that are asked for."""
