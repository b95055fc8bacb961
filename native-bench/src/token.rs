//! Connection tokens: JWT signed with HS256 (RFC 7515, RFC 7519).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use ring::hmac;
use std::time::{SystemTime, UNIX_EPOCH};

const LIFETIME_SECONDS: u64 = 86_400;

pub struct Signer(hmac::Key);

impl Signer {
    pub fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// A token for `user` that is valid for a day.
    pub fn connection_token(&self, user: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
        self.sign(&serde_json::json!({ "sub": user, "exp": now + LIFETIME_SECONDS }).to_string())
    }

    fn sign(&self, claims: &str) -> String {
        let mut token = BASE64URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        BASE64URL.encode_string(claims, &mut token);
        let signature = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        BASE64URL.encode_string(signature, &mut token);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_other_implementations_do() {
        // The well-known example of jwt.io.
        let token =
            Signer::new("your-256-bit-secret").sign(r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#);
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
    }

    #[test]
    fn names_the_user_and_ends_after_a_day() {
        let token = Signer::new("s").connection_token("user-1");
        let claims = BASE64URL.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(claims["sub"], "user-1");
        assert!(claims["exp"].as_u64().unwrap().abs_diff(now + LIFETIME_SECONDS) <= 1);
    }
}
