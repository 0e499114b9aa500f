//! What cargo says of the workspace: where it is, where it builds, what quench depends on. No path is guessed: cargo
//! knows `CARGO_TARGET_DIR`, `build.target-dir` and the renamed dependency.

use std::path::PathBuf;
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The package the tasks are about.
const QUENCH: &str = "quench";
/// Where the person stood who called `cargo xtask`.
static CALLED_FROM: OnceLock<PathBuf> = OnceLock::new();

/// Root and target directory of the workspace, both absolute.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

/// A dependency that `Cargo.toml` of quench states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    /// The name that code says before `::`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Which code may name a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The program.
    Normal,
    /// Tests, benches and examples.
    Dev,
}

impl Workspace {
    /// Asks cargo, without a look at any dependency.
    pub(crate) fn find() -> Result<Self, String> {
        let metadata = ask(MetadataCommand::new().no_deps())?;
        let Metadata { workspace_root, target_directory, .. } = metadata;
        Ok(Self { root: workspace_root.into(), target: target_directory.into() })
    }

    /// Makes the root the current directory: tasks name files of the project by their path below it.
    pub(crate) fn enter(&self) -> Result<(), String> {
        let here = std::env::current_dir().map_err(|error| error.to_string())?;
        CALLED_FROM.get_or_init(|| here);
        std::env::set_current_dir(&self.root)
            .map_err(|error| format!("{}: {error}", self.root.display()))
    }

    /// A program of the workspace that cargo has built with a profile (`debug`, `release`).
    pub(crate) fn built(&self, profile: &str, program: &str) -> String {
        self.target.join(profile).join(program).display().to_string()
    }

    /// A path below the target directory, as words of a command line have it.
    pub(crate) fn below(&self, path: &str) -> String {
        self.target.join(path).display().to_string()
    }
}

/// The path of a file that a person named on the command line, from where they stood.
pub(crate) fn given(path: &str) -> PathBuf {
    CALLED_FROM.get().map_or_else(|| PathBuf::from(path), |from| from.join(path))
}

/// A profile that a person named: a file from where they stood, else the name of a shipped one.
pub(crate) fn given_profile(name: &str) -> String {
    let file = given(name);
    if file.is_file() { file.display().to_string() } else { name.to_owned() }
}

/// The dependencies of quench, sorted, with the names that its code gives them.
///
/// Cargo resolves for that: a crate's library may have another name than its package. Needs what `cargo build` needs,
/// the lock file and the sources of the crates.
pub(crate) fn dependencies() -> Result<Vec<Dependency>, String> {
    let metadata = resolved()?;
    let package = quench(&metadata)?;
    let nodes = metadata.resolve.as_ref().map_or(&[][..], |resolve| &resolve.nodes);
    let node = nodes.iter().find(|node| node.id == package.id);
    let mut out: Vec<Dependency> = node
        .into_iter()
        .flat_map(|node| &node.deps)
        .flat_map(|dependency| dependency.dep_kinds.iter().map(move |kind| (dependency, kind)))
        .filter_map(|(dependency, info)| {
            let kind = match info.kind {
                DependencyKind::Normal => Kind::Normal,
                DependencyKind::Development => Kind::Dev,
                _ => return None,
            };
            Some(Dependency { name: dependency.name.clone(), kind })
        })
        .collect();
    out.sort();
    out.dedup();
    if out.is_empty() { Err("cargo metadata lists no dependency".to_owned()) } else { Ok(out) }
}

/// All packages that a build for this machine takes, and which takes which.
pub(crate) fn resolved() -> Result<Metadata, String> {
    let words = ["--locked".to_owned(), "--filter-platform".to_owned(), host()?];
    ask(MetadataCommand::new().other_options(words))
}

/// Quench's own package among them.
pub(crate) fn quench(metadata: &Metadata) -> Result<&Package, String> {
    let own = metadata.workspace_packages().into_iter().find(|package| *package.name == QUENCH);
    own.ok_or_else(|| format!("the workspace has no package {QUENCH}"))
}

/// The target triple of this machine.
fn host() -> Result<String, String> {
    let output = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// `cargo metadata` of the workspace that `cargo xtask` was called for; without cargo, of the one around the current
/// directory.
fn ask(command: &mut MetadataCommand) -> Result<Metadata, String> {
    if let Some(directory) = std::env::var_os("CARGO_MANIFEST_DIR") {
        command.manifest_path(PathBuf::from(directory).join("Cargo.toml"));
    }
    command.exec().map_err(|error| format!("cargo metadata: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Kind, Workspace, dependencies};

    #[test]
    fn cargo_says_where_the_workspace_is() -> Result<(), String> {
        let workspace = Workspace::find()?;
        assert!(workspace.root.join("xtask/src/workspace.rs").is_file());
        // The test itself was built there.
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        assert!(own.starts_with(&workspace.target), "{}", own.display());
        Ok(())
    }

    #[test]
    fn dependencies_have_the_names_of_the_code_and_say_who_may_use_them() -> Result<(), String> {
        let all = dependencies()?;
        let has = |name: &str, kind| all.contains(&Dependency { name: name.to_owned(), kind });
        assert!(has("iced_x86", Kind::Normal) && has("goblin", Kind::Normal), "{all:?}");
        assert!(has("proptest", Kind::Dev) && !has("proptest", Kind::Normal), "{all:?}");
        Ok(())
    }
}
