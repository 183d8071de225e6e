"""Who asks: certificates, the tokens of ServiceAccounts, and the tokens with which servers join."""
