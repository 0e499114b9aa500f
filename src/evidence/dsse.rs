//! DSSE envelopes and the keys that sign them: Ed25519, and ECDSA over P-256. Pure: keys come in as PEM text.
//!
//! Source: secure-systems-lab/dsse, `protocol.md` (pre-authentication encoding) and `envelope.md`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::LineEnding;
use serde::{Deserialize, Serialize};

use super::parts::sha256;
use crate::failure::{Exit, Hinted};

/// The `payloadType` of in-toto statements.
pub(super) const PAYLOAD: &str = "application/vnd.in-toto+json";

/// The reason why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("no private key in PEM that Quench reads: {0}")]
    Private(String),
    #[error("no public key in PEM that Quench reads: {0}")]
    Public(String),
}

impl Hinted for KeyError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Private(_) => {
                "an unencrypted PKCS#8 key: openssl genpkey -algorithm ed25519, or \
                                 -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            }
            Self::Public(_) => "openssl pkey -in KEY -pubout",
        };
        Some(hint.to_owned())
    }
}

/// A private key that signs envelopes: Ed25519 or ECDSA P-256.
pub enum SigningKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

/// Never shows the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

/// A public key that checks envelopes: Ed25519 or ECDSA P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
}

impl SigningKey {
    /// Reads a private key from PEM: PKCS#8, or SEC 1 for P-256.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(pem) {
            return Ok(Self::Ed25519(Box::new(key)));
        }
        let secret = p256::SecretKey::from_pkcs8_pem(pem)
            .or_else(|_| p256::SecretKey::from_sec1_pem(pem))
            .map_err(|error| KeyError::Private(error.to_string()))?;
        Ok(Self::P256(Box::new(secret.into())))
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(Box::new(key.verifying_key())),
            Self::P256(key) => PublicKey::P256(Box::new(*key.verifying_key())),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

impl PublicKey {
    /// Reads a public key from PEM (SubjectPublicKeyInfo).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(pem) {
            return Ok(Self::Ed25519(Box::new(key)));
        }
        let key = p256::PublicKey::from_public_key_pem(pem)
            .map_err(|error| KeyError::Public(error.to_string()))?;
        Ok(Self::P256(Box::new(key.into())))
    }

    pub fn to_pem(&self) -> String {
        match self {
            Self::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Self::P256(key) => {
                p256::PublicKey::from(key.as_ref()).to_public_key_pem(LineEnding::LF)
            }
        }
        .unwrap_or_default()
    }

    /// The key's id: SHA-256 of its DER form, in hexadecimal.
    pub fn id(&self) -> String {
        let der = match self {
            Self::Ed25519(key) => key.to_public_key_der(),
            Self::P256(key) => p256::PublicKey::from(key.as_ref()).to_public_key_der(),
        };
        der.map(|der| sha256(der.as_bytes())).unwrap_or_default()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    #[serde(default)]
    pub keyid: String,
    pub sig: String,
}

/// A DSSE envelope: a payload with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub payload: String,
    pub payload_type: String,
    pub signatures: Vec<Signature>,
}

impl Envelope {
    pub fn new(payload: &[u8], key: Option<&SigningKey>) -> Self {
        let signature = key.map(|key| Signature {
            keyid: key.public().id(),
            sig: STANDARD.encode(key.sign(&encoding(PAYLOAD, payload))),
        });
        Self {
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD.to_owned(),
            signatures: signature.into_iter().collect(),
        }
    }

    /// The payload of the envelope; `None` when it is no base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        decode(&self.payload)
    }

    /// Whether any signature is by this key. The key id is a hint only and is not trusted.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Some(payload) = self.bytes() else { return false };
        let message = encoding(&self.payload_type, &payload);
        let signatures = self.signatures.iter().filter_map(|signature| decode(&signature.sig));
        signatures.into_iter().any(|signature| key.verifies(&message, &signature))
    }
}

/// Both alphabets are allowed by the protocol.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// Pre-authentication encoding, version 1.
fn encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::encoding;

    #[test]
    fn the_encoding_is_the_one_of_the_protocol() {
        let wanted = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(encoding("http://example.com/HelloWorld", b"hello world"), wanted);
    }
}
