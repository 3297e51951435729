"""Values that standards and manuals print as examples: everybody has them, so they open nothing.

Kept as SHA-256, so that scanners do not take a checkout for a leak, and compared whole: a secret that only resembles
one stays a secret. `printf %s VALUE | sha256sum` tells whether a value is here. To be added: what a standard, an
issuer's own manual or its own public SDK prints, never what some project tests with.
"""

import hashlib

_DIGESTS = frozenset(
    bytes.fromhex(digest)
    for digest in (
        # RFC 6749, OAuth 2.0: tokens, code, client's secret and credentials.
        "6c96130f130ab0d6d158397e24d2bcc1c9a5e73ae081f6e983f1c7b545d24a4c",
        "00cf4c781dc37003f7c7dd7d4c9a6ef1e0f4c62d9a291aa8bc398774e3fefd32",
        "a35b81a7d7927b70ec99270dd2362b88580a28574af812f2c02f56469579186f",
        "e9974c507d2a802143f614c878fcbb622a3800e05e6e0d329fee2c5b6b243329",
        "53f5da0aaa93d64cd5772c554cbf940f0539e689dddbeb8f923eec3f72c02ea9",
        "ca7459e2b26776de081b9a07e40227fd6cff232a1e3233ff6b6aa6d036ca9981",
        # RFC 6750, bearer tokens; RFC 7009, revocation.
        "b8e148545b13c78bc74da2f1a7275dd71e56ddece129d7d2f7b3ecc06f7994da",
        "3e6099e82cea8b701718e015aae2c66d53346a0f67358dcb5b1998c46ea126de",
        "ea9bdfd02c0c412c8cc36ba67f6c17f9b314b2c518e63ff3776077d68245736d",
        # RFC 5849, OAuth 1.0: keys, secrets and tokens.
        "8d567eb88afff34f31ab97fbb2731e582703bdeaf3c92b989cf568e0b23cef31",
        "9d03b692e941d5ace207a9f8048834439f6de98e5c6c1590c22c4f4577c88a42",
        "80f8b7c904d4a43f3b7036db73247daafe15b3f647b337d19031ff67b7c1a177",
        "cb87c87e4a138d9a72259d2a01bab15623c9846e568c1509b287721645a6ea53",
        "649e1f5c769e718ba10d1a702a36499a731441d960b06da91c4c97786bf84595",
        "4c20e6f5cc11b93731e74cbe20739821d61c3563c9f50ecb884a27cd369f01fb",
        "6aa14267d94944e6b6483c81f5ad37f87bbc7e88aa368d4aba1e71e0b79cd8c4",
        "bb9b1163338b2a51495834ad5c65420443d6327381cf0f94ebf92b117f209d72",
        "293257ab6495ebb11cf9e4aee0686ca30df8de2ab8d251f2cbbcf177bdfcae91",
        # OpenID Connect Core 1.0: access and refresh token.
        "ad71fb4165536675d80a8bbfe957697e4b9e17b35d5500406abc219705337107",
        "9e309cccd311ea64d04133daf7760f71f38a566db7aa98b71e043ede9325680f",
        # SEC 2, section 2.4.1: base point and order of the curve.
        "b9428a7099e956d7141c95c8a62b069a7802ba4f9ec4420bb8e62eb721f77095",
        "a1999ef5cca1fc252306bcdc59cdfa372e66426a35160935d949c9e3469e6be7",
        "2daa67c1294e0ae9a244af68525e19bce6b53927534aa449420e98f3308f4435",
        # Microsoft's manuals of Azurite and of the emulator of Cosmos DB: the keys of everybody's local storage.
        "0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059",
        "aa6547439583c3a275d4542a0df6c1ad6a863971be9f2a2220f027cc02aef615",
        # Firebase's SDKs: the keys in the sources that Google publishes (github.com/firebase).
        "f56e323494a6ffc2064e7a955908957d84f0755e5f975dabd64328d0359a8f7c",
        "2037abcaffb2b77785da716cf7ccff4ff4d00c4ea930db0167b7d71f50af7eb4",
        "3f370c9dd8225c63b5c77de1f785edc9712958f18bb612d5fa2e0ae33aeca682",
        "e4a5542bb7fd7b67e943c71ad29c34b5972c9840597e7eda53e666f44d5da0b9",
        "a19f89ab3555eac10c40741f6df79ecf0935998f15569f8db9d67bce0181fff6",
        "0b476bdf9acf2123d547b5ae76f1e59884d8ec9553ee0c47e9f31fd4768f3f3c",
        "eb540d2b6ee2a0a47c5779bc8a0141784c6b753840d4c6f4e2428a6e86e9e0b1",
        "37f8f09bdf12c2f2eae4ead7273a62ddb0c23459cbf902892f282b57f7ed6619",
        "8731261cb72d86267a32a532ebd3df429e2144e5e4ced7e13568bc9e6c8fb1b1",
        "49f777db995e8260da7ca9ffdf0c08d66f0453e97ec967018baf2cdfe3b582d0",
        "27a9a42931dff7eb2f8434e20a9bce976ea364e7bee49187f19d5cfeca9c7045",
        "dc0fcf046c61640cbd1e8b999ada3262d722c2ca4bf42dceac999020ffdbb614",
        "4c98242dcadc8b29005c6b4aad526552d5ea1842149154c0694adeec75847583",
        "ea9bb1082cf95663f5faca23b8b15ef2aa0fce0a5c6df9c32dcb85b2e0a4513d",
        "3a8b61d0f636b007840c0d40ba12bcf48465dc054cdc1a68704a33521d84b665",
        "a6c814bc555ae62c7bd8b58ec07bf559c7ed3a009976a1e0acc9cef0d4473b41",
        # Swagger's UUID of every generated example.
        "c7aa09cd25da8b6ab686f96da282d29ce9a7a2a0d7c27e1e359eb2cac6fbfaaf",
    )
)
_SHORTEST, _LONGEST = 10, 88  # bytes of what is above


def is_published(value: bytes) -> bool:
    """Tell whether `value` is, byte for byte, an example of a standard or a manual; hexadecimal digits in capitals."""
    return _SHORTEST <= len(value) <= _LONGEST and hashlib.sha256(value).digest() in _DIGESTS
