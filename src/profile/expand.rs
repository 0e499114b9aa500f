//! The complete profile as TOML, each value with its origin as a comment. Pure.

use toml_writer::{ToTomlKey, ToTomlValue, TomlKeyBuilder, TomlStringBuilder};

use super::{Compiler, Format, Level, Origin, Profile, Source, Sourced};
use crate::finding::escape_controls;

/// Renders the profile with nothing left to inherit or default.
///
/// TOML 1.0 that [`load`](super::load) reads as the same profile; a comment after a value is `FILE:LINE:COLUMN` or the
/// default's rule.
pub fn expanded(profile: &Profile) -> String {
    Writer { out: String::new(), origin: ToString::to_string }.profile(profile)
}

/// The same with file names instead of paths: one profile gives one text, wherever it lies.
pub fn expanded_without_paths(profile: &Profile) -> String {
    let origin = |origin: &Origin| {
        let file = origin.file.rsplit('/').next().unwrap_or_default().to_owned();
        Origin { file, ..origin.clone() }.to_string()
    };
    Writer { out: String::new(), origin }.profile(profile)
}

struct Writer {
    out: String,
    /// The comment for an origin.
    origin: fn(&Origin) -> String,
}

impl Writer {
    fn profile(mut self, profile: &Profile) -> String {
        self.out.push_str("schema = 1\n");
        self.text("name", &profile.name);
        self.text("summary", &profile.summary);
        self.table("qemu");
        self.text("series", &profile.series);
        self.value("source", &source(&profile.source.value), &profile.source.origin);
        self.table("target");
        self.word("arch", profile.arch.value.qemu(), &profile.arch.origin);
        self.list("machines", &profile.machines);
        self.list("accelerators", &profile.accelerators);
        self.table("devices");
        self.list("allow", &profile.devices);
        self.stated("deny", &profile.denied.devices);
        self.table("backends");
        self.list("objects", &profile.backends.objects);
        self.list("netdevs", &profile.backends.netdevs);
        self.list("chardevs", &profile.backends.chardevs);
        self.list("displays", &profile.backends.displays);
        self.list("audio", &profile.backends.audio);
        self.stated("deny", &profile.denied.backends);
        self.table("block");
        self.list("read-write", &profile.block_read_write);
        self.list("read-only", &profile.block_read_only);
        self.stated("deny", &profile.denied.block);
        self.table("features");
        self.list("enable", &profile.features);
        self.stated("disable", &profile.denied.features);
        if !profile.symbols.is_empty() {
            self.table("symbols");
            self.list("enable", &profile.symbols);
        }
        self.table("hardening");
        self.word("level", level_name(profile.level.value), &profile.level.origin);
        self.word("compiler", compiler_name(profile.compiler.value), &profile.compiler.origin);
        self.budget(profile);
        self.package(profile);
        if let Some(acknowledge) = &profile.passthrough {
            self.table("passthrough");
            self.text("acknowledge", acknowledge);
        }
        self.out
    }

    fn budget(&mut self, profile: &Profile) {
        let budgets = [
            ("unrequested-devices", &profile.budget.unrequested_devices),
            ("stripped-bytes", &profile.budget.stripped_bytes),
        ];
        if budgets.iter().all(|(_, budget)| budget.is_none()) {
            return;
        }
        self.table("budget");
        for (key, budget) in budgets {
            if let Some(budget) = budget {
                self.value(key, &budget.value.to_toml_value(), &budget.origin);
            }
        }
    }

    fn package(&mut self, profile: &Profile) {
        let request = &profile.package;
        self.table("package");
        let formats: Vec<Sourced<String>> = request
            .formats
            .iter()
            .map(|format| Sourced {
                value: if format.value == Format::Deb { "deb" } else { "rpm" }.to_owned(),
                origin: format.origin.clone(),
            })
            .collect();
        self.list("formats", &formats);
        self.text("name", &request.name);
        self.text("prefix", &request.prefix);
        self.text("maintainer", &request.maintainer);
        let revision = &request.revision;
        self.value("revision", &revision.value.to_toml_value(), &revision.origin);
        let target = &request.rpm_target;
        self.word("rpm-target", target.value.name(), &target.origin);
        self.list("provides", &request.provides);
        let alternatives = &request.alternatives;
        self.value("alternatives", &alternatives.value.to_toml_value(), &alternatives.origin);
    }

    fn table(&mut self, name: &str) {
        self.out.push_str(&format!("\n[{}]\n", key(name)));
    }

    fn text(&mut self, name: &str, value: &Sourced<String>) {
        self.word(name, &value.value, &value.origin);
    }

    fn word(&mut self, name: &str, word: &str, origin: &Origin) {
        self.value(name, &string(word), origin);
    }

    /// `value` is TOML already.
    fn value(&mut self, name: &str, value: &str, origin: &Origin) {
        let comment = self.comment(origin);
        self.out.push_str(&format!("{} = {value}  # {comment}\n", key(name)));
    }

    /// A list that is left out where it is empty.
    fn stated(&mut self, name: &str, values: &[Sourced<String>]) {
        if !values.is_empty() {
            self.list(name, values);
        }
    }

    fn list(&mut self, name: &str, values: &[Sourced<String>]) {
        if values.is_empty() {
            self.out.push_str(&format!("{} = []\n", key(name)));
            return;
        }
        self.out.push_str(&format!("{} = [\n", key(name)));
        for value in values {
            let comment = self.comment(&value.origin);
            self.out.push_str(&format!("  {},  # {comment}\n", string(&value.value)));
        }
        self.out.push_str("]\n");
    }

    /// A file may be called anything; a comment ends with its line and takes no control character.
    fn comment(&self, origin: &Origin) -> String {
        escape_controls(&(self.origin)(origin)).into_owned()
    }
}

/// A string on one line, so that a comment may follow it.
fn string(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

fn key(name: &str) -> String {
    TomlKeyBuilder::new(name).as_default().to_toml_key()
}

fn source(source: &Source) -> String {
    let pairs = match source {
        Source::Apt { package, suite } => vec![("apt", string(package)), ("suite", string(suite))],
        Source::Path { path } => vec![("path", string(path))],
        Source::Url { url, sha256, signature, keys } => {
            let mut pairs = vec![("url", string(url)), ("sha256", string(sha256))];
            pairs.extend(signature.as_ref().map(|signature| ("signature", string(signature))));
            let keys: Vec<String> = keys.iter().map(|key| string(key)).collect();
            if !keys.is_empty() {
                pairs.push(("keys", format!("[{}]", keys.join(", "))));
            }
            pairs
        }
    };
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// The level as the profile writes it.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Openstack => "openstack",
        Level::Baseline => "baseline",
        Level::Strict => "strict",
        Level::Cfi => "cfi",
    }
}

pub(crate) fn compiler_name(compiler: Compiler) -> &'static str {
    match compiler {
        Compiler::Gcc => "gcc",
        Compiler::Clang => "clang",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::{Table, Value};

    use super::{expanded, expanded_without_paths};
    use crate::finding::{Finding, Severity};
    use crate::profile::{Profile, load};

    /// Text of every kind that a writer of TOML can get wrong, and whatever else there is.
    fn text() -> impl Strategy<Value = String> {
        let hard = prop::sample::select(vec![
            "e\u{301}",
            "\u{200d}",
            "\u{1f469}\u{200d}\u{1f52c}",
            "\"",
            "\"\"\"",
            "'",
            "'''",
            "\\",
            "\\u{301}",
            "\u{0}",
            "\u{7f}",
            "\u{85}",
            "\u{1b}[31m",
            "\n",
            "\r\n",
            "\t",
            " # ",
            "  # a.toml:",
            "= [",
            "\u{2028}",
            "\u{202e}",
            "\u{feff}",
            "]\n[qemu]\n",
        ]);
        let piece = prop_oneof![hard.prop_map(str::to_owned), any::<String>(), "[a-z0-9-]{0,9}"];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn texts() -> impl Strategy<Value = Vec<Value>> {
        prop::collection::btree_set(text(), 0..4)
            .prop_map(|texts| texts.into_iter().map(Value::String).collect())
    }

    fn source() -> impl Strategy<Value = Value> {
        // What is fetched is of the web; a signature has keys.
        let address = || "https://[a-z]{1,8}\\.invalid/[a-z0-9]{0,8}";
        let keys = || {
            prop::collection::btree_set("[0-9A-F]{40}", 1..4)
                .prop_map(|keys| Value::Array(keys.into_iter().map(Value::String).collect()))
        };
        prop_oneof![
            (text(), text()).prop_map(|(a, b)| table([("apt", a.into()), ("suite", b.into())])),
            text().prop_map(|path| table([("path", path.into())])),
            (address(), text())
                .prop_map(|(url, sha256)| table([("url", url.into()), ("sha256", sha256.into())])),
            (address(), text(), address(), keys()).prop_map(
                |(url, sha256, signature, keys)| table([
                    ("url", url.into()),
                    ("sha256", sha256.into()),
                    ("signature", signature.into()),
                    ("keys", keys),
                ])
            ),
        ]
    }

    fn table<const N: usize>(pairs: [(&str, Value); N]) -> Value {
        Value::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A profile in which everything is stated that may be anything.
    fn profile() -> impl Strategy<Value = Table> {
        let name = "[a-z0-9][a-z0-9+.-]{0,12}";
        let lists = prop::collection::vec(texts(), 10);
        let package = ("(fedora|rhel|opensuse)", any::<bool>(), 0..u64::MAX >> 1);
        let choices = ("(x86_64|aarch64)", "(openstack|baseline|strict)", "(gcc|clang)");
        (name, text(), text(), source(), text(), lists, package, choices).prop_map(
            |(
                name,
                summary,
                series,
                source,
                reason,
                lists,
                (target, alternatives, number),
                choices,
            )| {
                let mut lists = lists.into_iter();
                let mut list = || Value::Array(lists.next().unwrap_or_default());
                let mut machines = list();
                if let Value::Array(list) = &mut machines {
                    list.push("one at least".into());
                }
                let (arch, level, compiler) = choices;
                let number = i64::try_from(number).unwrap_or(1);
                let value = table([
                    ("schema", Value::Integer(1)),
                    ("name", name.clone().into()),
                    ("summary", summary.into()),
                    ("qemu", table([("series", series.into()), ("source", source)])),
                    (
                        "target",
                        table([
                            ("arch", arch.into()),
                            ("machines", machines),
                            ("accelerators", Value::Array(vec!["kvm".into()])),
                        ]),
                    ),
                    ("devices", table([("allow", list())])),
                    (
                        "backends",
                        table([
                            ("objects", list()),
                            ("netdevs", list()),
                            ("chardevs", list()),
                            ("displays", list()),
                            ("audio", list()),
                        ]),
                    ),
                    ("block", table([("read-write", list()), ("read-only", list())])),
                    ("features", table([("enable", list())])),
                    ("symbols", table([("enable", Value::Array(vec!["CONFIG_X".into()]))])),
                    ("hardening", table([("level", level.into()), ("compiler", compiler.into())])),
                    (
                        "budget",
                        table([
                            ("unrequested-devices", Value::Integer(number)),
                            ("stripped-bytes", Value::Integer(number)),
                        ]),
                    ),
                    (
                        "package",
                        table([
                            ("formats", Value::Array(vec!["deb".into()])),
                            ("name", format!("qemu-{name}").into()),
                            ("prefix", "/opt/x".into()),
                            ("maintainer", "e\u{301} \u{200d}\"\\ <a@b.invalid>".into()),
                            ("revision", Value::Integer(number)),
                            ("rpm-target", target.into()),
                            ("provides", Value::Array(Vec::new())),
                            ("alternatives", Value::Boolean(alternatives)),
                        ]),
                    ),
                    ("passthrough", table([("acknowledge", reason.into())])),
                ]);
                let Value::Table(table) = value else { unreachable!("made above") };
                table
            },
        )
    }

    fn read(file: &str, text: &str) -> Profile {
        let (profile, findings) = load(file, text, &|_| None.into());
        let errors: Vec<&Finding> =
            findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
        profile.unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_printed_is_read_as_the_same_profile(table in profile(), file in text()) {
            let made = read(&file, &toml::to_string(&table).unwrap());
            let printed = expanded(&made);
            let again: Table = toml::from_str(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
            prop_assert_eq!(&again, &table, "{}", printed);
            let second = expanded(&read("again.toml", &printed));
            let again: Table = toml::from_str(&second).unwrap();
            prop_assert_eq!(&again, &table, "{}", second);
        }

        /// The origin is a comment: no value has anything to do with it.
        #[test]
        fn paths_are_left_out_of_comments_alone(table in profile(), directory in text(), name in "[a-z]{1,8}") {
            let text = toml::to_string(&table).unwrap();
            let here = expanded_without_paths(&read(&name, &text));
            let there = expanded_without_paths(&read(&format!("{directory}/{name}"), &text));
            prop_assert_eq!(&here, &there);
            let value: Table = toml::from_str(&here).unwrap();
            prop_assert_eq!(&value, &table);
        }
    }
}
