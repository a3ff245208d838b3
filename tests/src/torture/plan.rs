//! What trouble comes in which life of a process, as a line of text that reproduces it.

use std::fmt;
use std::str::FromStr;

/// The trouble of a run; printed and read as `LIFE STEP RULE, ...`, for example `0 - kill fsync log 3, 1 - kill * * 5`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub Vec<Trouble>);

/// What goes wrong in one life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which start of the process, from 0.
    pub life: usize,
    /// The step of the run from which on the rule counts; none from the start of that life.
    pub step: Option<usize>,
    /// The rule, as `shim/faults.c` has it.
    pub rule: String,
}

impl Plan {
    /// One trouble.
    pub fn of(life: usize, step: Option<usize>, rule: impl Into<String>) -> Self {
        Self(vec![Trouble { life, step, rule: rule.into() }])
    }

    /// The same, with trouble in the life after the first.
    #[must_use]
    pub fn then(mut self, rule: impl Into<String>) -> Self {
        let life = self.0.last().map_or(0, |last| last.life + 1);
        self.0.push(Trouble { life, step: None, rule: rule.into() });
        self
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, Trouble { life, step, rule }) in self.0.iter().enumerate() {
            let step = step.map_or("-".to_owned(), |step| step.to_string());
            write!(f, "{}{life} {step} {rule}", if nth > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trouble = |one: &str| {
            let mut words = one.trim().splitn(3, ' ');
            let (life, step, rule) = (words.next()?.parse().ok()?, words.next()?, words.next()?.to_owned());
            let step = if step == "-" { None } else { Some(step.parse().ok()?) };
            Some(Trouble { life, step, rule })
        };
        text.split(',')
            .map(|one| trouble(one).ok_or_else(|| format!("{one:?} is no trouble")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_printed() {
        let plan = Plan::of(1, Some(4), "kill fsync log 3").then("tear * * 5");
        assert_eq!(plan.to_string(), "1 4 kill fsync log 3, 2 - tear * * 5");
        assert_eq!(plan.to_string().parse(), Ok(plan));
        assert!("0 x kill * * 1".parse::<Plan>().is_err());
    }
}
