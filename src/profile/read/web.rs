//! What the address, the signature and the keys of a url source must be. Pure.

use toml::de::DeValue;

use super::super::codes::BAD_VALUE;
use super::{Reader, Table};
use crate::finding::Finding;

impl Reader<'_> {
    /// The values are not shown: a refused address may have a password in it.
    pub(super) fn web_source(&mut self, source: &Table<'_>) {
        let text = |key: &str| match source.get(key).map(|value| (value.get_ref(), value.span())) {
            Some((DeValue::String(text), span)) => Some((text.to_string(), span)),
            _ => None,
        };
        let bad = |message: &str, help: &str| {
            Finding::error(&BAD_VALUE, message.to_owned()).with_help(help.to_owned())
        };
        let address = "https://HOST/PATH, or http; no user, password, blank or other scheme";
        if let Some((_, span)) = text("url").filter(|(url, _)| !is_address(url)) {
            self.report(bad("`qemu.source.url` is no address of the web", address), span, "");
        }
        let signature = text("signature");
        if let Some((_, span)) =
            signature.clone().filter(|(text, _)| text.contains("://") && !is_address(text))
        {
            self.report(bad("`qemu.source.signature` is no address of the web", address), span, "");
        }
        let keys = source.get("keys").and_then(|value| match value.get_ref() {
            DeValue::Array(keys) => Some((keys.len(), value.span())),
            _ => None,
        });
        let help = "name both `signature` and `keys`, or neither: the digest is checked always";
        match (signature, keys) {
            (None, Some((1.., span))) if source.get("signature").is_none() => {
                let message = "`qemu.source.keys` without `signature`: nothing would be checked";
                self.report(bad(message, help), span, "");
            }
            (Some((_, span)), None | Some((0, _))) => {
                let message = "`qemu.source.signature` without `keys`: no key could have made it";
                self.report(bad(message, help), span, "");
            }
            _ => {}
        }
    }
}

/// An address that curl may be given: http or https, a host, nothing secret, nothing that is read in two ways.
fn is_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let of_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    !host.is_empty()
        && host.chars().all(of_host)
        && rest.chars().all(|c| c.is_ascii_graphic() && !"\\\"<>".contains(c))
        && !rest.split('/').any(|part| matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_is_of_the_web_and_has_no_secrets() {
        for good in ["https://x.test/q-1.tar.xz", "http://127.0.0.1:80/q.tar", "http://[::1]:8/q"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "-K/tmp/conf",
            "--output",
            "file:///etc/passwd",
            "gopher://x.test/_x",
            "https://",
            "https:///q",
            "https://u:p@x.test/q",
            "https://u@x.test/q",
            "https://x.test/a b",
            "https://x.test/q\n-o",
            "https://x.test/a/..",
            "x.test/q.tar",
            "",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
