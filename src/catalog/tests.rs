//! Sources of a few lines, and what the catalog makes of them.

use std::collections::BTreeSet;

use super::*;

struct With(BTreeSet<&'static str>);

impl Configuration for With {
    fn symbol(&self, name: &str) -> bool {
        self.0.contains(name)
    }
    fn option(&self, name: &str) -> bool {
        self.0.contains(name)
    }
    fn arch(&self, name: &str) -> bool {
        name == "i386"
    }
}

const MESON: &str = "x_ss = ss.source_set()\n\
    x_ss.add(when: ['CONFIG_CARD', 'CONFIG_PCI'], if_true: files('card.c'))\n\
    if have_vhost_user\n  x_ss.add(files('user.c'))\nelse\n  x_ss.add(files('stub.c'))\nendif\n\
    i386_ss = ss.source_set()\ni386_ss.add_all(when: 'CONFIG_X', if_true: x_ss)\nhw_arch += {'i386': i386_ss}\n";
const CARD: &str = "#define TYPE_CARD \"card\"\nstatic const Info cards[] = {\n  { .name = \"card-a\", .n = 1 },\n  \
    { .name = TYPE_CARD \"-b\" },\n};\n/* static const TypeInfo gone = { .name = \"gone\" }; */\n\
    static void init(ObjectClass *c, void *d)\n{\n    dc->user_creatable = false;\n}\n\
    static const TypeInfo base = {\n  .name = TYPE_CARD,\n  .parent = TYPE_DEVICE,\n  .abstract = true,\n  \
    .class_init = init,\n};\n#ifdef CONFIG_EXTRA\nstatic const TypeInfo extra = { .name = \"extra\", .parent = TYPE_DEVICE };\n\
    #endif\nstatic void reg(void)\n{\n  for (i = 0; i < 2; i++) {\n    const Info *info = &cards[i];\n    TypeInfo t = {};\n    \
    t.name = info->name;\n    t.parent = TYPE_CARD;\n    type_register_static(&t);\n  }\n}\n";

fn tree() -> Tree {
    [
        ("hw/x/meson.build", MESON),
        ("hw/x/card.c", CARD),
        ("hw/x/user.c", "static const TypeInfo u = { .name = \"user\", .parent = TYPE_DEVICE };\n"),
        ("include/hw/dev.h", "#define TYPE_DEVICE \"device\"\n"),
    ]
    .into_iter()
    .collect()
}

fn devices(on: &[&'static str]) -> Vec<String> {
    let surface = predict(&scan(&tree()), &With(on.iter().copied().collect()), &BTreeSet::new());
    assert_eq!(surface.undecided, []);
    surface.devices.into_keys().collect()
}

#[test]
fn files_nested_sets_ifdefs_and_tables_decide_what_is_in() {
    assert_eq!(devices(&[]), [""; 0]);
    assert_eq!(devices(&["X", "CARD"]), [""; 0]);
    assert_eq!(devices(&["X", "CARD", "PCI"]), ["card-a", "card-b"]);
    assert_eq!(devices(&["X", "CARD", "PCI", "EXTRA"]), ["card-a", "card-b", "extra"]);
    assert_eq!(devices(&["X", "vhost-user"]), ["user"]);
}

/// Meson has one scope, but a file that makes a set means its own (7.2: `virtio_ss` of hw/virtio and of hw/s390x).
#[test]
fn sets_of_the_same_name_in_two_directories_are_two_sets() {
    let set = |file: &str, arch: &str| {
        format!(
            "x_ss = ss.source_set()\nx_ss.add(files('{file}'))\nsubdir('deep')\n\
             {arch}_ss = ss.source_set()\n{arch}_ss.add_all(when: 'CONFIG_X', if_true: x_ss)\n\
             hw_arch += {{'{arch}': {arch}_ss}}\n"
        )
    };
    let device =
        |name: &str| format!("TypeInfo t = {{ .name = \"{name}\", .parent = TYPE_DEVICE }};\n");
    let tree: Tree = [
        ("hw/a/meson.build", set("a.c", "i386").as_str()),
        ("hw/a/deep/meson.build", "x_ss.add(files('d.c'))\n"),
        ("hw/b/meson.build", set("b.c", "s390x").as_str()),
        ("hw/a/a.c", device("a").as_str()),
        ("hw/a/deep/d.c", device("d").as_str()),
        ("hw/b/b.c", device("b").as_str()),
        ("include/hw/dev.h", "#define TYPE_DEVICE \"device\"\n"),
    ]
    .into_iter()
    .collect();
    let surface = predict(&scan(&tree), &With(["X"].into_iter().collect()), &BTreeSet::new());
    assert_eq!(surface.devices.into_keys().collect::<Vec<_>>(), ["a", "d"]);
}

#[test]
fn user_creatable_is_inherited_and_comments_are_no_code() {
    let catalog = scan(&tree());
    assert!(!catalog.find(Kind::Device, "card-a")[0].user_creatable);
    assert!(catalog.find(Kind::Device, "user")[0].user_creatable);
    assert!(catalog.named("gone").next().is_none());
}

#[test]
fn a_class_is_made_from_a_row_of_another_file_and_by_its_own_function_only() {
    let row = |name: &str, more: &str| format!("{{ .name = \"{name}\", {more} }}");
    let one = format!(
        "static Info rows[] = {{ {}, {} }};\nvoid data_init(ObjectClass *c, void *d)\n{{\n  if (info->hidden) {{\n    \
         dc->user_creatable = false;\n  }}\n}}\nstatic void reg(void)\n{{\n  TypeInfo t = {{ .parent = TYPE_DEVICE, \
         .class_init = data_init }};\n  for (;;) {{ t.name = rows[i].name; }}\n}}\n",
        row("open", ".plug = true"),
        row("shut", ".hidden = true")
    );
    let other = format!(
        "static Info info[] = {{ {} }};\nstatic const TypeInfo a = {{ .name = \"far\", .parent = TYPE_DEVICE, \
         .class_init = data_init, .class_data = info }};\nstatic void big_small_init(ObjectClass *c, void *d)\n{{\n}}\n\
         static void small_init(ObjectClass *c, void *d)\n{{\n  dc->user_creatable = false;\n}}\n\
         static const TypeInfo b = {{ .name = \"small\", .parent = TYPE_DEVICE, .class_init = small_init }};\n",
        row("far", ".hidden = true")
    );
    let tree: Tree = [
        ("hw/x/meson.build", "system_ss.add(files('one.c', 'other.c'))\n"),
        ("hw/x/one.c", one.as_str()),
        ("hw/x/other.c", other.as_str()),
        ("include/hw/dev.h", "#define TYPE_DEVICE \"device\"\n"),
    ]
    .into_iter()
    .collect();
    let catalog = scan(&tree);
    let creatable = ["open", "shut", "far", "small"].map(|name| {
        let found = catalog.find(Kind::Device, name);
        assert_eq!(found.len(), 1, "{name}");
        found[0].user_creatable
    });
    assert_eq!(creatable, [true, false, false, false]);
}

#[test]
fn hostile_sources_give_an_answer() {
    let deep = "(".repeat(20_000) + &"[".repeat(20_000);
    for text in [
        "TypeInfo x = {{{{",
        "#define TYPE_A TYPE_A\nTypeInfo x = { .name = TYPE_A };",
        "'",
        "if\nendif\nendif",
        &deep,
    ] {
        let tree: Tree = [("hw/x/meson.build", text), ("hw/x/a.c", text), ("hw/a.h", text)]
            .into_iter()
            .collect();
        let _ = scan(&tree);
    }
}
