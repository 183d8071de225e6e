"""The extensions that certificates of StarLink's authority share. https://www.rfc-editor.org/rfc/rfc5280#section-4.2"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec


def key_usage(*, signature: bool, encipherment: bool, authority: bool = False) -> x509.KeyUsage:
    """What a key may do: sign, encipher keys, and, as an authority's, sign certificates and revocation lists."""
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def authority_identifier(authority: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """Names the authority, and its `key`, by the identifier in its certificate, or where that has none by the key."""
    try:
        identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
