//! os-release(5): which distribution this host is of.

/// The file's text; nothing where there is none.
pub(crate) fn read() -> String {
    std::fs::read_to_string("/etc/os-release").unwrap_or_default()
}

/// The value of a key.
pub(crate) fn value(os_release: &str, key: &str) -> Option<String> {
    let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.map(|value| value.trim_matches(['"', '\'']).to_owned())
}
