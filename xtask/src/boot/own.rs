//! A boot under the hypervisor's own VMM: it has KVM, and emulates nothing where that does not work.

use anyhow::{Result, anyhow};
use camino::Utf8Path;

use super::accel::{Accel, AccelChoice, Accelerator, Experience, TRIAL, no_kvm};
use super::round::Round;
use super::run::Ran;
use super::verdict::Verdict;
use super::vmm::Vmm;
use super::{Boot, BootRequest};
use crate::diag::Hint;

const QEMU_STANDS_IN: &str = "without --vmm, QEMU stands in, and emulates where KVM does not work";

/// # Errors
/// If the request has the VMM emulate.
pub(super) fn refuse_emulation(vmm: Vmm, request: &BootRequest<'_>) -> Result<()> {
    if vmm.stands_in() || request.accel != AccelChoice::Tcg {
        return Ok(());
    }
    let (image, program) = (request.image, vmm.program());
    Err(anyhow!("failed to boot {image} by emulation: --vmm real is {program} under KVM"))
        .hint(|| "leave out --accel tcg; or leave out --vmm, and QEMU stands in and emulates")
}

/// # Errors
/// If this host cannot run the VMM, whatever the image.
pub(super) fn demand(vmm: Vmm, request: &BootRequest<'_>) -> Result<()> {
    if vmm.stands_in() {
        return Ok(());
    }
    let failed =
        |why: String| anyhow!("failed to boot {} under {}: {why}", request.image, vmm.program());
    if let Some(why) = no_kvm(request.arch) {
        return Err(failed(why)).hint(|| QEMU_STANDS_IN);
    }
    match vmm.firmware().filter(|file| !Utf8Path::new(file).exists()) {
        Some(file) => Err(failed(format!("its {} machine needs the firmware {file}", vmm.name())))
            .hint(|| "install EDK2 for it (edk2-ovmf), or leave out --vmm, and QEMU stands in"),
        None => Ok(()),
    }
}

impl Boot<'_> {
    /// KVM, and whether it is known to work with this VMM.
    ///
    /// # Errors
    /// If it is known to be stuck and nobody wants to try it again.
    pub(super) fn kvm_or_nothing(&self) -> Result<(Accelerator, bool)> {
        let known = Experience::recall(self.request.cache_dir, &self.version);
        let again = self.request.accel == AccelChoice::Kvm;
        let works = known.as_ref().is_some_and(|kept| kept.works);
        match known.filter(|kept| !kept.works && !again) {
            Some(kept) => Err(self.stuck(&format!("seen since this host booted: {}", kept.why)))
                .hint(|| format!("--accel kvm tries it again; {QEMU_STANDS_IN}")),
            None => Ok((Accelerator::new(Accel::Kvm, "--vmm real takes nothing else"), works)),
        }
    }

    /// A guest that does not come to its init in time is taken for a KVM that is stuck, and the next
    /// boot need not wait to see that.
    pub(super) fn under_own_vmm(&self, round: &Round) -> Result<(Accelerator, Ran)> {
        let request = self.request;
        let (kvm, works) = self.kvm_or_nothing()?;
        let limit = if works { request.deadline } else { TRIAL.min(request.deadline) };
        let mut ran = self.run(round, 0, Accel::Kvm, limit)?;
        if matches!(ran.verdict, Verdict::VmmFailed { .. }) {
            ran.hint.get_or_insert_with(|| format!("if KVM is at fault: {QEMU_STANDS_IN}"));
        }
        let timed_out = matches!(ran.verdict, Verdict::TimedOut { .. });
        if timed_out && !works && !ran.came_to_init() {
            let seconds = limit.as_secs();
            let why = format!("under KVM, a guest did not come to its init within {seconds} s");
            self.keep(false, &why)?;
            return Err(self.stuck(&why)).hint(|| {
                format!(
                    "inside another VM, KVM often opens and runs no kernel; {QEMU_STANDS_IN}; the \
                     console is in {}",
                    ran.log
                )
            });
        }
        if ran.came_to_init() && !works {
            self.keep(true, "a guest came to its init under KVM")?;
        }
        if timed_out && limit < request.deadline {
            return Ok((kvm, self.run(round, 0, Accel::Kvm, request.deadline)?));
        }
        Ok((kvm, ran))
    }

    fn stuck(&self, why: &str) -> anyhow::Error {
        anyhow!("failed to boot {} under {}: {why}", self.request.image, self.version)
    }
}
