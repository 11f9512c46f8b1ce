use super::*;

fn history(entry: &str) -> History {
    let text = format!("[[symbol]]\nname = \"NEW\"\nevidence = \"init/Kconfig\"\n{entry}\n");
    toml::from_str(&text).unwrap()
}

fn translate(entry: &str, version: &str, known: &[&str]) -> Option<Past> {
    let knows = |name: &str| known.contains(&name);
    history(entry).translate("NEW", Arch::X86_64, &version.parse().unwrap(), knows)
}

#[test]
fn the_first_older_name_that_the_tree_knows_wins() {
    let entry = "was = [\"OLD\", \"OLDER\"]\nsince = \"6.9\"";
    assert_eq!(translate(entry, "6.1", &["OLDER", "OLD"]), Some(Past::Called("OLD".into())));
    assert_eq!(translate(entry, "6.1", &["OLDER"]), Some(Past::Called("OLDER".into())));
    assert_eq!(translate(entry, "6.1", &[]), Some(Past::CameWith("6.9".into())));
    assert_eq!(translate(entry, "6.9", &[]), None);
}

#[test]
fn a_stable_series_goes_by_its_own_release() {
    let entry = "since = [\"6.15\", \"6.12.29\", \"6.1.139\"]";
    let came = |version: &str| translate(entry, version, &[]);
    for (version, with) in [
        ("6.12.8", Some("6.12.29")),
        ("6.12.29", None),
        ("6.12.117", None),
        ("6.1.138", Some("6.1.139")),
        // Nobody took it over there.
        ("6.13.12", Some("6.15")),
        ("5.10.262", Some("6.15")),
        ("6.15-rc7", None),
        ("7.3.4", None),
    ] {
        assert_eq!(came(version), with.map(|with| Past::CameWith(with.into())), "{version}");
    }
    let entry = "until = [\"6.9\", \"6.1.141\"]";
    for (version, with) in [("6.1.140", None), ("6.1.141", Some("6.1.141")), ("6.6.1", None)] {
        let went = with.map(|with: &str| Past::WentWith(with.into()));
        assert_eq!(translate(entry, version, &[]), went, "{version}");
    }
}

#[test]
fn a_defence_that_an_older_tree_lacks_is_told_apart() {
    let entry = "since = [\"6.15\", \"6.12.29\"]\ndefence = \"guesses\"";
    let lacks = |release: &str| {
        let (release, against) = (release.to_owned(), "guesses".to_owned());
        Some(Past::Undefended { release, against })
    };
    assert_eq!(translate(entry, "6.12.8", &[]), lacks("6.12.29"));
    assert_eq!(translate(entry, "6.6", &[]), lacks("6.15"));
    assert_eq!(translate(entry, "6.12.30", &[]), None);
}

#[test]
fn an_older_name_of_the_opposite_sense_is_asked_for_the_opposite() {
    let entry = "was_not = [\"OLD\"]\nsince = \"6.16\"";
    assert_eq!(translate(entry, "6.12", &["OLD"]), Some(Past::Opposite("OLD".into())));
    let history = history(entry);
    for (name, value, line) in [
        ("OLD", "y", "# CONFIG_NEW is not set"),
        ("OLD", "n", "CONFIG_NEW=y"),
        ("OLD", "m", "CONFIG_OLD=m"),
        ("NEW", "y", "CONFIG_NEW=y"),
        ("OTHER", "7", "CONFIG_OTHER=7"),
    ] {
        assert_eq!(history.newest_line(name, value), line);
    }
    assert_eq!(history.older_names("NEW", Arch::X86_64).count(), 0);
}

#[test]
fn gone_and_out_of_scope() {
    assert_eq!(translate("until = \"6.10\"", "6.12", &[]), Some(Past::WentWith("6.10".into())));
    assert_eq!(translate("until = \"6.10\"", "6.9", &[]), None);
    assert_eq!(translate("since = \"6.10\"\narch = \"aarch64\"", "6.1", &[]), None);
}

#[test]
fn what_no_request_can_be_changed_for_is_explained() {
    let version = "6.12".parse().unwrap();
    let known = |entry: &str, symbol: &str, known: &[&str]| {
        let history = history(entry);
        let knows = |name: &str| known.contains(&name);
        assert_eq!(history.translate(symbol, Arch::X86_64, &version, knows), None);
        let explained = history.explain(symbol, Arch::X86_64, &version, knows);
        explained.map(|(known, _)| format!("{known:?}"))
    };
    let renamed = |name: &str, opposite: bool| {
        Some(format!("{:?}", Known::RenamedTo(Alias { name, opposite })))
    };
    let was = "was = [\"OLD\", \"OLDER\"]";
    assert_eq!(known(was, "OLDER", &["NEW", "OLD"]), renamed("NEW", false));
    assert_eq!(known(was, "OLDER", &["OLD"]), renamed("OLD", false));
    assert_eq!(known(was, "OLD", &[]), None);
    let was_not = "was = [\"OLD\"]\nwas_not = [\"OLDER\", \"OLDEST\"]";
    assert_eq!(known(was_not, "OLDER", &["NEW"]), renamed("NEW", true));
    assert_eq!(known(was_not, "OLDEST", &["OLDER"]), renamed("OLDER", false));
    assert_eq!(known("vendor = \"ACME\"", "NEW", &[]).unwrap(), "OnlyOf(\"ACME\")");
}

#[test]
fn a_borrowed_history_explains_and_translates_nothing() {
    let version = "6.12".parse().unwrap();
    let entry = "was = [\"OLD\"]\nuntil = \"6.10\"\ninstead = \"always in\"";
    let borrowed = History { borrowed: true, ..history(entry) };
    for knows in [|_: &str| true, |_: &str| false] {
        assert_eq!(borrowed.translate("NEW", Arch::X86_64, &version, knows), None);
    }
    assert_eq!(borrowed.newest_name("OLD"), "OLD");
    let (known, _) = borrowed.explain("NEW", Arch::X86_64, &version, |_| false).unwrap();
    assert!(matches!(known, Known::WentWith(_, Some("always in"))), "{known:?}");
}

#[test]
fn entries_of_what_all_trees_know_are_needless() {
    let entry = |name: &str, more: &str| {
        format!("[[symbol]]\nname = \"{name}\"\nuntil = \"6.1\"\nevidence = \"e\"\n{more}\n")
    };
    let more = [entry("BOTH", ""), entry("ARM", "arch = \"aarch64\"\n"), entry("GONE", "")];
    let history = History::default().with(&more.concat()).unwrap();
    let known = [("BOTH", Arch::X86_64), ("ARM", Arch::X86_64)];
    let lacked =
        |name: &str, arches: &[Arch]| !arches.iter().any(|arch| known.contains(&(name, *arch)));
    assert_eq!(history.needless(lacked), ["BOTH"]);
    assert!(History::default().with("[[symbol]]\nname = \"A\"\n").is_err());
}

#[test]
fn an_entry_that_says_nothing_or_two_things_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join(FILE);
    let refusal = |entry: &str| {
        let good = "[[symbol]]\nname = \"A\"\nvendor = \"ACME\"\nevidence = \"e\"\n";
        let bad = format!("{good}[[symbol]]\nname = \"A\"\nevidence = \"e\"\n{entry}");
        std::fs::write(&path, bad).unwrap();
        let error = format!("{:#}", History::read_file(&path).unwrap_err());
        error.replace(path.as_str(), FILE)
    };
    for (entry, said) in [
        ("", "6: A needs one of `was`, `was_not`, `since`, `until`, `vendor`"),
        ("vendor = \"ACME\"\nuntil = \"6.1\"", "6: A is a vendor's or of Linux itself, not both"),
        ("since = \"6.1\"\ninstead = \"B\"", "6: A has `instead` without `until`"),
        ("until = \"6.1\"\ndefence = \"B\"", "6: A has `defence` without `since`"),
    ] {
        assert_eq!(refusal(entry), format!("history.toml:{said}"));
    }
    for (since, said) in [
        ("[]", "expected a release, or a list of them"),
        ("[\"6.9\", \"6.8\"]", "6.8.0 is not of a stable series before that of 6.9.0"),
        ("[\"6.9\", \"6.9.1\"]", "6.9.1 is not of a stable series before that of 6.9.0"),
    ] {
        let refused = refusal(&format!("since = {since}"));
        assert!(refused.starts_with("history.toml:8: ") && refused.contains(said), "{refused}");
    }
}
