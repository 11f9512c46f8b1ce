//! Texts that OpenPGP signs (RFC 9580, 7), checked by `gpgv`, which is on every Debian 12 since apt needs
//! it. A library instead would nearly double what there is to compile: rpgp 0.17, the last that Rust
//! 1.85 compiles, brings 117 crates more, and takes 170 s of one processor.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use camino::Utf8Path;
use xshell::cmd;

use crate::diag::Hint;
use crate::shell::Shell;

const QUICK: Duration = Duration::from_secs(60);

/// What gpgv calls what is wrong (GnuPG's doc/DETAILS, "Format of the --status-fd output"), what that is
/// in words, and what to do. The first that it says counts.
const FAULTS: [(&str, &str, &str); 7] = [
    ("NODATA", "it is not signed", "look at it: a server that has moved may answer with a page"),
    (
        "BADSIG",
        "the text is not the one that was signed",
        "somebody changed it on its way: try again, and take another mirror if it stays so",
    ),
    (
        "NO_PUBKEY",
        "another key signed it",
        "if its owner has a new key, put that into the key file and its fingerprint into sources.toml",
    ),
    ("EXPKEYSIG", "the key has expired", "its owner may have put that off: export it anew"),
    ("REVKEYSIG", "the key's owner has revoked it", "put the new one into the key file"),
    ("EXPSIG", "the signature has expired", "take another mirror"),
    ("ERRSIG", "gpgv cannot check the signature", "gpgv of a newer GnuPG may"),
];

/// What a hash algorithm that proves nothing any more is called, by its number (RFC 9580, 9.5).
const BROKEN: [(&str, &str); 3] = [("1", "MD5"), ("2", "SHA-1"), ("3", "RIPEMD-160")];

/// A public key that may sign.
pub(super) struct Key {
    bytes: Vec<u8>,
    /// Whose it is or where it lies, in words.
    name: String,
}

impl Key {
    /// As gpg exports it, armored or not.
    pub(super) fn parse(exported: Vec<u8>, name: &str) -> Result<Self> {
        let bytes = dearmored(exported).with_context(|| format!("{name} is no OpenPGP key"))?;
        Ok(Key { bytes, name: name.to_owned() })
    }

    /// # Errors
    /// If there is no such file, or it is damaged.
    pub(super) fn read(path: &Utf8Path, fingerprint: &str) -> Result<Self> {
        let exported = std::fs::read(path)
            .with_context(|| format!("failed to read key {path}"))
            .hint(|| {
                format!("where gpg has the key: gpg --armor --export {fingerprint} > {path}; docs/fragments.md tells more")
            })?;
        Self::parse(exported, path.as_str())
    }
}

/// The text in the file `signed`, if the key with this fingerprint signed it. What stands around the
/// text is not in it.
///
/// # Errors
/// If the signature is not that key's, or not of this text.
pub(super) fn signed_text(
    shell: &Shell,
    signed: &Utf8Path,
    key: &Key,
    fingerprint: &str,
    scratch: &Utf8Path,
) -> Result<String> {
    let (keyring, text) = (scratch.join("keyring.gpg"), scratch.join("signed-text"));
    std::fs::write(&keyring, &key.bytes).with_context(|| format!("failed to write {keyring}"))?;
    // In a home of its own it reads nobody's options.
    let check = cmd!(
        shell.sh,
        "gpgv --homedir {scratch} --status-fd 1 --keyring {keyring} --output {text} {signed}"
    );
    let done = shell
        .run(check.env("LC_ALL", "C"), QUICK)
        .hint(|| "cargo xtask setup installs what is missing")?;
    let ended = || match done.success() {
        true => Ok(()),
        false => Err(anyhow!("{}", done.last_lines(2)).context(format!("gpgv: {}", done.how()))),
    };
    no_fault(&done.stdout)
        .and_then(|()| ended())
        .and_then(|()| signed_by(&done.stdout, fingerprint))
        .with_context(|| format!("failed to verify a signature with key {}", key.name))?;
    std::fs::read_to_string(&text).with_context(|| format!("failed to read {text}"))
}

/// gpgv wants a key without its armor. The check sum that old armors end with is not looked at: the
/// fingerprint tells more.
fn dearmored(key: Vec<u8>) -> Result<Vec<u8>> {
    let text = match std::str::from_utf8(&key) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") => text,
        _ => return Ok(key),
    };
    let body = text.lines().map(str::trim).skip_while(|line| !line.is_empty());
    let body: String =
        body.take_while(|line| !line.starts_with("-----") && !line.starts_with('=')).collect();
    BASE64_STANDARD.decode(body).context("its armor is damaged")
}

/// The words of gpgv's status lines.
fn status_lines(status: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    lines.map(|line| line.split(' ').collect())
}

/// Its exit status alone says too little: a key that has expired is fine by gpgv.
fn no_fault(status: &str) -> Result<()> {
    for (word, what, hint) in FAULTS {
        if let Some(line) = status_lines(status).find(|line| line[0] == word) {
            let said = line[..line.len().min(2)].join(" ");
            return Err(anyhow!("{what} ({said})")).hint(|| hint);
        }
    }
    Ok(())
}

fn signed_by(status: &str, fingerprint: &str) -> Result<()> {
    let all = |word: &str| status_lines(status).filter(|line| line[0] == word).collect::<Vec<_>>();
    let (good, valid) = (all("GOODSIG"), all("VALIDSIG"));
    let ([_], [valid]) = (&good[..], &valid[..]) else {
        bail!("expected one good signature, got {}", good.len());
    };
    // VALIDSIG: fingerprint, three times, version, reserved, key's and hash's algorithm, class,
    // fingerprint of the primary key.
    let primary = valid.get(10).copied().unwrap_or_default();
    if primary != fingerprint {
        return Err(anyhow!("{primary} signed it, expected {fingerprint}"))
            .hint(|| "either the fingerprint in sources.toml is wrong or the key file");
    }
    match BROKEN.iter().find(|(number, _)| valid.get(8) == Some(number)) {
        Some((_, name)) => bail!("it is signed by way of {name}, which is broken"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Failure;

    const SIGNER: &str = "AD5832C557B602C9C40D092E6E870AFDBC6104BC";

    fn good(fingerprint: &str, hash: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 6E870AFDBC6104BC Test\n[GNUPG:] VALIDSIG {fingerprint} \
             2024-01-01 1704067200 0 4 0 22 {hash} 01 {SIGNER}\n"
        )
    }

    fn judge(status: &str) -> Result<()> {
        no_fault(status).and_then(|()| signed_by(status, SIGNER))
    }

    #[test]
    fn one_good_signature_of_the_key_will_do() {
        judge(&good(SIGNER, "8")).unwrap();
        // A subkey signs for its primary key.
        judge(&good(&"B".repeat(40), "8")).unwrap();
    }

    #[test]
    fn says_what_is_wrong_with_others() {
        let good = good(SIGNER, "8");
        let cases = [
            (String::new(), "expected one good signature, got 0"),
            (format!("{good}{good}"), "expected one good signature, got 2"),
            (good.replace("GOODSIG", "EXPKEYSIG"), "the key has expired (EXPKEYSIG 6E87"),
            (good.replace("GOODSIG", "REVKEYSIG"), "the key's owner has revoked it"),
            (good.replace("GOODSIG", "EXPSIG"), "the signature has expired"),
            (good.replace("GOODSIG", "BADSIG"), "the text is not the one that was signed"),
            (format!("{good}[GNUPG:] BADSIG 6E87 x\n"), "the text is not the one that was signed"),
            ("[GNUPG:] ERRSIG A4C6 1 8 01 1 4 -\n".to_owned(), "gpgv cannot check the signature"),
            (
                "[GNUPG:] ERRSIG A4C6 1 8 01 1 9 -\n[GNUPG:] NO_PUBKEY A4C6\n".to_owned(),
                "another key",
            ),
            ("[GNUPG:] NODATA 1\n".to_owned(), "it is not signed"),
            (good.replace(" 8 01 ", " 2 01 "), "by way of SHA-1, which is broken"),
            (good.replace(SIGNER, &"B".repeat(40)), "signed it, expected AD58"),
        ];
        for (status, expected) in cases {
            let error = format!("{:#}", judge(&status).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        let failure = Failure::new(&judge("[GNUPG:] NODATA 1\n").unwrap_err());
        assert!(failure.hints[0].starts_with("look at it"), "{failure:?}");
    }

    #[test]
    fn takes_a_key_as_it_is_exported() {
        let armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\naGVs\r\nbG8=\n=ouUV\n-----END \
                       PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmored(armored.into()).unwrap(), b"hello");
        assert_eq!(dearmored(armored.replace("\n=ouUV", "").into()).unwrap(), b"hello");
        assert_eq!(dearmored(vec![0x98, 0x33]).unwrap(), [0x98, 0x33]);
        assert!(dearmored(armored.replace("aGVs", "?GVs").into()).is_err());
    }
}
