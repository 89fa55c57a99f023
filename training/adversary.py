"""The adversary of the model in training: the discriminators, their optimisers and what they add to the loss."""

from pathlib import Path

from torch import Tensor, nn

from training.checkpoint import CheckpointError
from training.discriminators import Discriminators
from training.losses import discriminator_loss, feature_loss, generator_loss
from training.machine import Machine
from training.optimizers import Optimizers
from training.settings import AdversarialSettings, TrainSettings

_LEVEL = 0.8  # peak of what the discriminators hear
_QUIETEST = 0.01  # peak of an original that is not raised further: -40 dBFS

_WEIGHTS, _OPTIMIZER = "weights/", "optimizer/"


class Adversary:
    """What the loop calls once a step, in between the model's estimate and its gradient."""

    def __init__(self, stage: AdversarialSettings, settings: TrainSettings, machine: Machine) -> None:
        use_muon = settings.optimizer == "muon"
        self._stage, self._machine = stage, machine
        self.discriminators = Discriminators(stage.width, normed=not use_muon).to(machine.device)
        self.optimizers = Optimizers(self.discriminators, stage.muon_lr, stage.adamw_lr, use_muon, settings.adamw_betas)

    def play(self, estimate: Tensor, original: Tensor, rate_factor: float) -> dict[str, Tensor]:
        """The discriminators learn from one batch, ``(B, 1, T)`` both, then judge it.

        Returns: `adversarial`, what is added to the model's loss, which has a gradient, and what the log shows of it.
        """
        estimate, original = at_one_level(estimate, original)
        learned = self.learn(estimate.detach(), original, rate_factor)
        generator, features = self.judge(estimate, original)
        added = self._stage.generator_weight * generator + self._stage.features_weight * features
        return {"adversarial": added, "generator": generator, "features": features, **learned}

    def learn(self, estimate: Tensor, original: Tensor, rate_factor: float) -> dict[str, Tensor]:
        """One step of the discriminators; the estimate comes without its past."""
        loss = discriminator_loss(self.discriminators(original), self.discriminators(estimate))
        loss.backward()
        # Not DistributedDataParallel, which wants one backward pass for each forward one: here two have none.
        for parameter in self.discriminators.parameters():
            if parameter.grad is not None:
                parameter.grad = self._machine.mean(parameter.grad)
        norm = nn.utils.clip_grad_norm_(self.discriminators.parameters(), self._stage.clip)
        self.optimizers.step(rate_factor)
        return {"discriminator": loss, "discriminator_gradient_norm": norm}

    def judge(self, estimate: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        """The generator and the feature term, whose gradients reach the estimate and not the discriminators."""
        self.discriminators.requires_grad_(False)
        heard, wanted = self.discriminators(estimate), self.discriminators(original)
        self.discriminators.requires_grad_(True)
        return generator_loss(heard), feature_loss(wanted, heard)

    def state(self) -> dict[str, Tensor]:
        """All that another `Adversary` needs to go on as this one: weights, and the optimisers' tensors."""
        weights = {_WEIGHTS + name: value for name, value in self.discriminators.state_dict().items()}
        return weights | {_OPTIMIZER + name: value for name, value in self.optimizers.state().items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Raises: RuntimeError or ValueError if the tensors are not those of `state` with the same settings."""
        self.discriminators.load_state_dict(_part(tensors, _WEIGHTS))
        self.optimizers.load_state(_part(tensors, _OPTIMIZER))

    def start_from(self, tensors: dict[str, Tensor], source: Path) -> None:
        """Take the discriminators of another run's `state`, where it had any; the optimisers start anew.

        Raises: CheckpointError if they are of another width, or for another optimiser.
        """
        theirs, mine = _part(tensors, _WEIGHTS), self.discriminators.state_dict()
        if not theirs:
            return
        if {name: value.shape for name, value in theirs.items()} != {name: value.shape for name, value in mine.items()}:
            raise CheckpointError(
                f"{source}: its discriminators have another width or optimiser: give the same --discriminator-width "
                "and --optimizer, or start from best.safetensors, which has none"
            )
        self.discriminators.load_state_dict(theirs)


def at_one_level(estimate: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
    """Both, ``(B, 1, T)``, times what brings the original's peak to 0.8, so that soft crops count as much as loud ones.

    DAC scales each by its own peak. With one factor for both a wrong level stays audible, and with a limit to it the
    gradient of a crop of silence stays finite.
    """
    gain = _LEVEL / original.abs().amax(dim=-1, keepdim=True).clamp_min(_QUIETEST)
    return estimate * gain, original * gain


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
