"""What a diagnosis says: findings, each with a number and a remedy, as text, HTML and a table."""

import html
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model.

    Attributes
    ----------
    name : str
        What, as in `probnn.diagnosis.CHECKS`.
    value : float
        How much.
    threshold : float
        What the value of a right model stays within.
    message : str
        What was found, in words.
    remedy : str
        What to do.
    """

    name: str
    value: float
    threshold: float
    message: str
    remedy: str

    def __str__(self):
        return f"{self.name}: {self.message} Remedy: {self.remedy}"


class Diagnosis:
    """What is wrong with a fitted model: made by `probnn.diagnose`.

    Its truth and its length are those of the findings; `"heavy tails" in diagnosis` asks for one,
    and `diagnosis["heavy tails"]` returns it.

    Parameters
    ----------
    subject : str
        What was diagnosed, for the report.
    findings : list of Finding
    checked : list of str
        The names of the checks that were made.
    skipped : dict
        The name of a check that was not made -> why.
    unable : list of str
        Those of them that apply, but could not be made: the report names them.

    Examples
    --------
    >>> from probnn.diagnosis import Diagnosis, Finding
    >>> found = Finding("heavy tails", 4.2, 0.5, "Excess kurtosis 4.2.", "use student_t.")
    >>> diagnosis = Diagnosis("a normal model, 200 rows", [found], ["heavy tails"], {})
    >>> bool(diagnosis), len(diagnosis), "heavy tails" in diagnosis
    (True, 1, True)
    >>> print(diagnosis)
    Diagnosis of a normal model, 200 rows: 1 finding in 1 check.
    - heavy tails: Excess kurtosis 4.2. Remedy: use student_t.
    """

    def __init__(self, subject, findings, checked, skipped, unable=()):
        self.subject, self.findings = subject, list(findings)
        self.checked, self.skipped, self.unable = list(checked), dict(skipped), list(unable)

    def __len__(self):
        return len(self.findings)

    def __iter__(self):
        return iter(self.findings)

    def __contains__(self, name):
        self._check_name(name)
        return any(finding.name == name for finding in self.findings)

    def __getitem__(self, name):
        """Return the finding of that name; KeyError if the check found nothing, or was skipped."""
        self._check_name(name)
        for finding in self.findings:
            if finding.name == name:
                return finding
        why = f"skipped: {self.skipped[name]}" if name in self.skipped else "nothing found"
        raise KeyError(f"Expected the name of a finding. Received: {name!r}, {why}.")

    def _check_name(self, name):
        known = [*self.checked, *self.skipped]
        if name not in known:
            raise ValueError(
                f"Expected the name of a check: {', '.join(known)}. Received: {name!r}."
            )

    def to_frame(self):
        """Return a pandas DataFrame: a row for each finding, its attributes as columns."""
        import pandas as pd

        columns = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(finding) for finding in self.findings], columns=columns)

    def _summary(self):
        """Return the first line: how many findings, and in how many checks."""
        n, found = len(self.checked), len(self)
        checks = f"{n} check{'s' * (n != 1)}"
        if not n:
            return "No check could be made."
        if not found:
            return f"No problem found in {checks}: {', '.join(self.checked)}."
        return f"{found} finding{'s' * (found != 1)} in {checks}."

    def _unseen(self):
        """Return the last line: what could not be looked at, and why; "" if nothing."""
        reasons = {}
        for name in self.unable:
            reasons.setdefault(self.skipped[name].rstrip("."), []).append(name)
        parts = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
        return f"Not looked at: {'; '.join(parts)}." if parts else ""

    def __str__(self):
        lines = [f"Diagnosis of {self.subject}: {self._summary()}"]
        lines += [f"- {finding}" for finding in self.findings]
        return "\n".join([*lines, self._unseen()]).rstrip()

    __repr__ = __str__

    def _repr_html_(self):
        head = f"<p>Diagnosis of {html.escape(self.subject)}: {html.escape(self._summary())}</p>"
        items = "".join(
            f"<li><b>{html.escape(f.name)}</b>: {html.escape(f.message)} "
            f"<i>Remedy:</i> {html.escape(f.remedy)}</li>"
            for f in self.findings
        )
        last = f"<p>{html.escape(self._unseen())}</p>" * bool(self.unable)
        return head + (f"<ul>{items}</ul>" if items else "") + last
