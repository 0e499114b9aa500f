//! SPDX 3.0.1 as JSON-LD: profiles core, software, simple licensing. Pure.
//!
//! Source: spdx.github.io/spdx-spec, version 3.0.1, and its JSON schema (a test validates against it). The same parts as
//! the 2.3 document has, as a graph of elements; relationships that only hold while building say so.

use serde_json::{Map, Value, json};

use super::cyclonedx::uuid;
use super::parts::{self, Part, Role, parts, sha256};
use crate::date::iso8601;
use crate::record::Record;

const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
const CREATION: &str = "_:creation";

pub(super) fn document(record: &Record) -> Value {
    let mut graph = Graph::new(record);
    graph.product(record);
    for part in &parts(record) {
        graph.part(part);
    }
    for patch in parts::patches(record) {
        let id = graph.package(&patch);
        let source = graph.id("source:qemu");
        graph.relation(&source, "patchedBy", &id, None);
    }
    for archive in parts::source_archives(record) {
        let id = graph.package(&archive);
        let source = graph.id("source:qemu");
        graph.relation(&id, "expandsTo", &source, None);
    }
    graph.finish(record)
}

/// Elements, in the order they were made.
struct Graph {
    /// Start of every identifier: a digest of the record's contents, so that other contents are other elements.
    namespace: String,
    product: String,
    elements: Vec<Value>,
    licences: Vec<&'static str>,
}

impl Graph {
    fn new(record: &Record) -> Self {
        let content = json!([
            parts::product(record),
            record.plan,
            record.files,
            record.libraries.iter().map(|library| &library.soname).collect::<Vec<_>>(),
            record.tools,
        ]);
        let namespace = format!("urn:uuid:{}", uuid(&content.to_string()));
        let product = format!("{namespace}#product");
        Self { namespace, product, elements: Vec::new(), licences: Vec::new() }
    }

    /// Identifiers take few characters; a digest keeps them apart.
    fn id(&self, name: &str) -> String {
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        format!("{}#{plain}-{}", self.namespace, &sha256(name.as_bytes())[..8])
    }

    fn add(&mut self, kind: &str, id: &str, more: Value) {
        let mut map = Map::new();
        map.insert("type".to_owned(), json!(kind));
        map.insert("spdxId".to_owned(), json!(id));
        map.insert("creationInfo".to_owned(), json!(CREATION));
        if let Value::Object(more) = more {
            // What is not known is not said.
            let known = more.into_iter().filter(|(_, value)| !(value.is_null() || value == ""));
            map.extend(known);
        }
        self.elements.push(Value::Object(map));
    }

    fn relation(&mut self, from: &str, kind: &str, to: &str, scope: Option<&str>) {
        let id = self.id(&format!("{kind} {from} {to}"));
        let class = if scope.is_some() { "LifecycleScopedRelationship" } else { "Relationship" };
        self.add(
            class,
            &id,
            json!({ "from": from, "relationshipType": kind, "to": [to], "scope": scope }),
        );
    }

    fn licence(&mut self, of: &str, licence: &'static str) {
        if licence.is_empty() {
            return;
        }
        let id = self.id(&format!("licence:{licence}"));
        if !self.licences.contains(&licence) {
            self.licences.push(licence);
            let expression = json!({ "simplelicensing_licenseExpression": licence });
            self.add("simplelicensing_LicenseExpression", &id, expression);
        }
        self.relation(of, "hasDeclaredLicense", &id, None);
    }

    fn product(&mut self, record: &Record) {
        let id = self.product.clone();
        self.add(
            "software_Package",
            &id,
            json!({
                "name": parts::product(record),
                "summary": record.plan.summary,
                "software_packageVersion": parts::upstream_version(record),
                "software_packageUrl": parts::product_purl(record),
                "software_primaryPurpose": "application",
            }),
        );
        self.licence(&id, "GPL-2.0-only");
    }

    fn package(&mut self, part: &Part) -> String {
        let id = self.id(&part.id);
        let purpose = match part.role {
            Role::Source => "source",
            Role::Library => "library",
            Role::FirmwareInside | Role::FirmwareNeeded => "firmware",
            Role::Tool => "application",
            Role::File => "file",
        };
        self.add(
            "software_Package",
            &id,
            json!({
                "name": part.name,
                "description": part.description,
                "software_packageVersion": part.version,
                "software_packageUrl": part.purl,
                "software_primaryPurpose": purpose,
                "verifiedUsing": part.sha256.as_deref().map(hash),
            }),
        );
        self.licence(&id, part.licence);
        id
    }

    fn part(&mut self, part: &Part) {
        let product = self.product.clone();
        if part.role == Role::File {
            let id = self.id(&part.id);
            // Relative to the root of the package.
            let name = format!(".{}", part.name);
            let sums = part.sha256.as_deref().map(hash);
            self.add("software_File", &id, json!({ "name": name, "verifiedUsing": sums }));
            return self.relation(&product, "contains", &id, None);
        }
        let id = self.package(part);
        match part.role {
            Role::Source => self.relation(&id, "generates", &product, None),
            Role::Library => self.relation(&product, "hasDynamicLink", &id, Some("runtime")),
            Role::FirmwareInside | Role::File => self.relation(&product, "contains", &id, None),
            Role::FirmwareNeeded => self.relation(&product, "dependsOn", &id, Some("runtime")),
            Role::Tool => self.relation(&product, "usesTool", &id, Some("build")),
        }
    }

    fn finish(mut self, record: &Record) -> Value {
        let profiles = ["core", "software", "simpleLicensing"];
        let all: Vec<Value> =
            self.elements.iter().filter_map(|e| e.get("spdxId")).cloned().collect();
        let (agent, tool, sbom) = (self.id("agent"), self.id("tool"), self.id("sbom"));
        let document = format!("{}#document", self.namespace);
        let product = self.product.clone();
        let name = format!("quench-{}", record.quench);
        self.add("SoftwareAgent", &agent, json!({ "name": name }));
        self.add("Tool", &tool, json!({ "name": name }));
        self.add(
            "software_Sbom",
            &sbom,
            json!({
                "software_sbomType": ["build"],
                "profileConformance": profiles,
                "rootElement": [product],
                "element": all,
            }),
        );
        let data = self.id("data-licence");
        let free = json!({ "simplelicensing_licenseExpression": "CC0-1.0" });
        self.add("simplelicensing_LicenseExpression", &data, free);
        self.add(
            "SpdxDocument",
            &document,
            json!({
                "name": parts::product(record),
                "profileConformance": profiles,
                "rootElement": [sbom],
                "element": [agent, tool, sbom, data],
                "dataLicense": data,
            }),
        );
        let creation = json!({
            "type": "CreationInfo",
            "@id": CREATION,
            "specVersion": "3.0.1",
            "created": iso8601(record.plan.source.date),
            "createdBy": [agent],
            "createdUsing": [tool],
        });
        self.elements.insert(0, creation);
        json!({ "@context": CONTEXT, "@graph": self.elements })
    }
}

fn hash(sha256: &str) -> Value {
    json!([{ "type": "Hash", "algorithm": "sha256", "hashValue": sha256 }])
}
