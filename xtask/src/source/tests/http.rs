use super::server::{Answer, Server};
use super::*;

fn archive() -> Vec<u8> {
    // Does not compress well, so that there is something to cut.
    let noise: String =
        (0..20_000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    Tar::linux("6.12.8").file("linux/noise", &noise).xz()
}

fn served(answers: Vec<Answer>) -> (Place, Server, Vec<u8>) {
    let archive = archive();
    let server = Server::start("linux-6.12.8.tar.xz", archive.clone(), answers);
    let place = Place::new();
    place.pin_tarball(&server.url, &hash::of_bytes(&archive));
    (place, server, archive)
}

/// Where the downloaded part lies.
fn part(place: &Place, archive: &[u8]) -> Utf8PathBuf {
    place.cache.join(format!("{}.part.tar.xz", &hash::of_bytes(archive)[..16]))
}

#[test]
fn downloads_once() {
    let (place, server, _) = served(vec![]);
    let tree = place.fetch(false).unwrap();
    assert_eq!(tree.version.to_string(), "6.12.8");
    assert_eq!(place.cached(), ["p-6.12.8", "p-6.12.8.files", "p-6.12.8.json"]);
    place.fetch(true).unwrap();
    assert_eq!(server.asked(), [None]);
}

#[test]
fn goes_on_after_a_cut_connection() {
    let (place, server, _) = served(vec![Answer::Cut(1000), Answer::Cut(500)]);
    place.fetch(false).unwrap();
    assert_eq!(server.asked(), [None, Some(1000), Some(1500)]);
}

#[test]
fn goes_on_where_a_killed_run_stopped() {
    let (place, server, archive) = served(vec![]);
    std::fs::create_dir_all(&place.cache).unwrap();
    std::fs::write(part(&place, &archive), &archive[..777]).unwrap();
    place.fetch(false).unwrap();
    assert_eq!(server.asked(), [Some(777)]);
}

#[test]
fn a_whole_file_needs_no_more() {
    let (place, server, archive) = served(vec![]);
    std::fs::create_dir_all(&place.cache).unwrap();
    std::fs::write(part(&place, &archive), &archive).unwrap();
    place.fetch(false).unwrap();
    assert!(server.asked().is_empty());
}

#[test]
fn starts_anew_where_a_server_knows_no_ranges() {
    let (place, server, _) = served(vec![Answer::Cut(1000), Answer::NoRange]);
    place.fetch(false).unwrap();
    assert_eq!(server.asked(), [None, Some(1000)]);
}

#[test]
fn a_server_that_always_breaks_off_is_given_up() {
    let (place, server, _) = served(vec![Answer::Cut(0); 50]);
    let error = format!("{:#}", place.fetch(false).unwrap_err());
    assert!(error.contains("failed to download"), "{error}");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn a_server_with_too_much_to_do_is_asked_again() {
    let (place, server, _) = served(vec![Answer::Status(503), Answer::Status(429)]);
    place.fetch(false).unwrap();
    assert_eq!(server.asked(), [None; 3]);
    let (place, server, _) = served(vec![Answer::Status(503); 50]);
    assert!(place.refusal().contains("the server answered 503"));
    assert_eq!(server.asked(), [None; 4]);
}

#[test]
fn a_download_does_not_outlive_its_purpose() {
    let archive = Tar::new().file("x/README", "hello").xz();
    let server = Server::start("linux-6.12.8.tar.xz", archive.clone(), vec![]);
    let place = Place::new();
    place.pin_tarball(&server.url, &hash::of_bytes(&archive));
    assert!(place.refusal().contains("no Linux source tree"));
}

#[test]
fn a_part_of_something_else_is_not_taken() {
    let (place, server, archive) = served(vec![]);
    std::fs::create_dir_all(&place.cache).unwrap();
    std::fs::write(part(&place, &archive), vec![b'x'; 777]).unwrap();
    let error = place.refusal();
    assert!(error.contains(&hash::of_bytes(&archive)) && error.contains("expected"), "{error}");
    // The next run starts anew.
    place.fetch(false).unwrap();
    assert_eq!(server.asked(), [Some(777), None]);
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    let (place, _server, archive) = served(vec![Answer::WrongRange]);
    std::fs::create_dir_all(&place.cache).unwrap();
    std::fs::write(part(&place, &archive), &archive[..777]).unwrap();
    let error = format!("{:#}", place.fetch(false).unwrap_err());
    assert!(error.contains("the server sent range"), "{error}");
}

#[test]
fn says_what_the_server_said() {
    let (place, _server, _) = served(vec![Answer::Status(404)]);
    let error = place.refusal();
    assert!(error.contains("/linux-6.12.8.tar.xz") && error.contains("404"), "{error}");
    let place = Place::new();
    place.pin_tarball("http://127.0.0.1:1/linux-6.12.8.tar.xz", &"0".repeat(64));
    assert!(place.refusal().contains("failed to download http://127.0.0.1:1/"));
}
