//! What the host contributes to a build beside programs: its distribution, the installed packages a build stands on, and
//! which package a file belongs to.
//!
//! Shell: reads `/etc/os-release` and dpkg's status file, asks `dpkg-query -S`; all three below a root, which is `/` or a
//! closed root. On a host without dpkg the lists are empty and the record says which distribution it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::plan::Invocation;
use crate::process;
use crate::record::{Host, Installed, Library};

/// dpkg's database.
const DATABASE: &str = "var/lib/dpkg";

/// One installed package of dpkg's status file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Package {
    version: String,
    architecture: String,
    /// Names of every alternative of every dependency.
    depends: Vec<String>,
    provides: Vec<String>,
}

/// Installed packages by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    root: PathBuf,
    packages: BTreeMap<String, Package>,
}

/// The distribution this machine runs.
pub fn host() -> Host {
    of_root(Path::new("/"))
}

/// The distribution below a root.
pub fn of_root(root: &Path) -> Host {
    let text = fs_err::read_to_string(root.join("etc/os-release"))
        // An absolute link would lead out of a root.
        .or_else(|_| fs_err::read_to_string(root.join("usr/lib/os-release")))
        .unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    Host {
        distribution: value("ID"),
        version: value("VERSION_ID"),
        architecture: std::env::consts::ARCH.to_owned(),
    }
}

impl Packages {
    /// Reads the host's packages; empty where dpkg is not.
    pub fn read() -> Self {
        Self::of_root(Path::new("/"))
    }

    /// Reads the packages of a root.
    pub fn of_root(root: &Path) -> Self {
        let status = root.join(DATABASE).join("status");
        Self::parse(root, &fs_err::read_to_string(status).unwrap_or_default())
    }

    fn parse(root: &Path, text: &str) -> Self {
        let mut packages = BTreeMap::new();
        for paragraph in text.split("\n\n") {
            let field = |key: &str| {
                let line =
                    paragraph.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            if !field("Status").ends_with(" installed") {
                continue;
            }
            let package = Package {
                version: field("Version"),
                architecture: field("Architecture"),
                depends: [names(&field("Depends")), names(&field("Pre-Depends"))].concat(),
                provides: names(&field("Provides")),
            };
            packages.insert(field("Package"), package);
        }
        Self { root: root.to_owned(), packages }
    }

    /// The installed package of that name.
    pub fn get(&self, name: &str) -> Option<Installed> {
        let package = self.packages.get(name)?;
        Some(Installed {
            name: name.to_owned(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
        })
    }

    /// Everything the named packages stand on, themselves included: every installed alternative and provider counts.
    pub fn closure(&self, roots: &[String]) -> Vec<Installed> {
        let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, package) in &self.packages {
            for provided in &package.provides {
                providers.entry(provided).or_default().push(name);
            }
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = roots.iter().map(String::as_str).collect();
        while let Some(name) = next.pop() {
            next.extend(providers.get(name).into_iter().flatten().filter(|p| !seen.contains(*p)));
            if let Some((name, package)) = self.packages.get_key_value(name)
                && seen.insert(name)
            {
                next.extend(package.depends.iter().map(String::as_str));
            }
        }
        seen.into_iter().filter_map(|name| self.get(name)).collect()
    }

    /// The package a file belongs to.
    pub fn owner(&self, path: &str) -> Option<Installed> {
        let ask = Invocation::plain("ask which package has a file", "dpkg-query", "/")
            .arg(format!("--admindir={}", self.root.join(DATABASE).display()))
            .args(["--search", path]);
        let text = process::output(&ask).ok()?.text();
        let owners = text.lines().filter(|line| !line.starts_with("diversion by"));
        let mut names = owners.filter_map(|line| line.split([':', ',']).next());
        names.find_map(|name| self.get(name))
    }

    /// The package of a program or library, found through links and merged `/usr`. The path is one below the root.
    pub fn owner_of_file(&self, path: &Path) -> Option<Installed> {
        // Links of another root are not ours to follow.
        let ours = self.root == Path::new("/");
        let real = if ours { fs_err::canonicalize(path).ok() } else { None };
        let candidates = [Some(path.to_owned()), real];
        candidates.iter().flatten().find_map(|path| {
            let text = path.display().to_string();
            self.owner(&text).or_else(|| self.owner(text.strip_prefix("/usr")?))
        })
    }

    /// The packages of the libraries an ELF file names, in its order.
    pub fn libraries(&self, needed: &[String]) -> Vec<Library> {
        let find = |soname: &String| Library {
            soname: soname.clone(),
            package: if soname.contains(['*', '?', '[', '/']) {
                None
            } else {
                self.owner(&format!("*-linux-gnu*/{soname}"))
            },
        };
        needed.iter().map(find).collect()
    }
}

/// Names of a dependency field, versions and architectures left out.
fn names(field: &str) -> Vec<String> {
    let alternatives = field.split([',', '|']).map(str::trim).filter(|text| !text.is_empty());
    alternatives.filter_map(|text| text.split([' ', ':', '(']).next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_follows_alternatives_and_providers_and_skips_what_is_not_installed() {
        let text = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nArchitecture: amd64\n\
                    Depends: b (>= 1) | c, virtual:any\n\n\
                    Package: b\nStatus: deinstall ok config-files\nVersion: 9\nArchitecture: all\n\n\
                    Package: c\nStatus: install ok installed\nVersion: 4\nArchitecture: all\nPre-Depends: a\n\n\
                    Package: d\nStatus: install ok installed\nVersion: 5\nArchitecture: all\nProvides: virtual (= 5)\n\n\
                    Package: e\nStatus: install ok installed\nVersion: 6\nArchitecture: all\n";
        let packages = Packages::parse(Path::new("/"), text);
        let closure = packages.closure(&["a".to_owned(), "gone".to_owned()]);
        let shown: Vec<String> =
            closure.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(shown, ["a 1:2-3", "c 4", "d 5"]);
    }
}
