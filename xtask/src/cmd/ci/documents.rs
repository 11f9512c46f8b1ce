//! What is written about an image, in front of the validators of those who read it.

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use serde::Deserialize;
use xshell::cmd;

use super::{Ci, DEADLINE, Verdict};
use crate::files;
use crate::toolchain::on_path;

/// As `kernel` prints it.
#[derive(Debug, Deserialize)]
struct Made {
    stage: Utf8PathBuf,
}

/// Of the Python package index, each by its hashes.
const VALIDATORS: &str = include_str!("validators.txt");

/// Reads the statement as both schemas have it: a field that they do not know is an error.
const IN_TOTO: &str = "\
import json, sys
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
text = json.load(open(sys.argv[1]))
Statement.copy_from_pb(ParseDict(text, statement_pb2.Statement())).validate()
provenance = ParseDict(text['predicate'], provenance_pb2.Provenance())
for one in provenance.build_definition.resolved_dependencies:
    ResourceDescriptor.copy_from_pb(one).validate()
print(sys.argv[1] + ': a valid statement with', len(provenance.build_definition.resolved_dependencies), 'dependencies')
";

impl Ci<'_> {
    pub(super) fn documents(&self) -> Result<Verdict> {
        let python = match self.validators()? {
            Ok(python) => python,
            Err(why) => return Ok(Verdict::Skipped(why)),
        };
        let made = self.ask_xtask(
            "kernel --type micro --arch x86_64 --hypervisor stratovirt --sbom --format json",
        )?;
        let made: Vec<Made> =
            serde_json::from_str(&made.stdout).context("failed to read what `kernel` printed")?;
        let sh = &self.ctx.shell.sh;
        for Made { stage } in made {
            let (spdx, statement) = (format!("{stage}.spdx.json"), format!("{stage}.intoto.json"));
            let pyspdxtools = python.with_file_name("pyspdxtools");
            self.show(cmd!(sh, "{pyspdxtools} --infile {spdx}"))?;
            self.show(cmd!(sh, "{python} -c {IN_TOTO} {statement}"))?;
        }
        Ok(Verdict::Passed)
    }

    /// The Python that has them, below `target`; or why there is none.
    fn validators(&self) -> Result<Result<Utf8PathBuf, String>> {
        let (sh, shell) = (&self.ctx.shell.sh, &self.ctx.shell);
        if !on_path(shell, "python3") {
            return Ok(Err("no python3 to run the validators with".to_owned()));
        }
        let folder = self.workspace.work.join("ci/validators");
        let python = folder.join("bin/python");
        let made = shell.run(cmd!(sh, "python3 -m venv {folder}"), DEADLINE)?;
        if !made.success() {
            return Ok(Err(format!("python3 has no venv: {}", made.last_lines(1))));
        }
        let list = folder.join("validators.txt");
        files::replace(&list, VALIDATORS.as_bytes())?;
        let quiet = ["--quiet", "--disable-pip-version-check"];
        let install = cmd!(sh, "{python} -m pip install {quiet...} --require-hashes -r {list}");
        let installed = shell.run(install, DEADLINE)?;
        Ok(match installed.success() {
            true => Ok(python),
            false => Err(format!("pip gets no validators: {}", installed.last_lines(1))),
        })
    }
}
