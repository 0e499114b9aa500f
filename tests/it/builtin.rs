//! The files that are part of the program are those in the tree: one that is added and not listed is a fault, since an
//! installed program would not have it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quench::builtin;
use quench::verify::policy::POLICIES;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Names of the entries of a directory that end so, without the ending.
fn on_disk(directory: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(top().join(directory)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

#[test]
fn profiles_and_policies_are_those_of_the_tree() {
    for (directory, listed) in [("profiles", builtin::PROFILES), ("policies", POLICIES)] {
        let names: BTreeSet<String> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, on_disk(directory, ".toml"), "the list in src and {directory}/*.toml");
        for (name, text) in listed {
            let file = top().join(directory).join(format!("{name}.toml"));
            assert_eq!(&std::fs::read_to_string(&file).unwrap(), text, "{}", file.display());
        }
    }
}

#[test]
fn patches_are_those_of_the_tree_in_the_order_of_its_series_files() {
    let directories = std::fs::read_dir(top().join("patches")).unwrap();
    let directories = directories.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut seen = 0;
    for directory in directories {
        let series = directory.file_name().unwrap().to_str().unwrap();
        let list = std::fs::read_to_string(directory.join("series")).unwrap();
        let names: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
        let shipped = builtin::patches(series);
        assert_eq!(names, shipped.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        let files = on_disk(&format!("patches/{series}"), ".patch");
        let named = names.iter().map(|name| name.trim_end_matches(".patch").to_owned()).collect();
        assert_eq!(files, named, "patches/{series}/*.patch and its file `series`");
        for (name, text) in shipped {
            assert_eq!(std::fs::read(directory.join(name)).unwrap(), text);
        }
        seen += 1;
    }
    assert!(seen > 0);
}
