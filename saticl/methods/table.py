"""The methods of this repository: name, one line, paper, and what each changes in the defaults. Free of torch.

Adding a method: one file with a `Method` subclass, one entry here.
"""

from saticl.methods.spec import MethodSpec

METHODS: tuple[MethodSpec, ...] = (
    MethodSpec(
        "ft",
        "fine-tuning: learns from the new labels alone, and forgets old classes",
        "-",
        "saticl.methods.finetuning:FineTuning",
    ),
    MethodSpec(
        "uft",
        "fine-tuning in which background may be any old class (unbiased cross entropy)",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718, eq. 3",
        "saticl.methods.finetuning:UnbiasedFineTuning",
    ),
    MethodSpec(
        "mib",
        "background may be any old class, and what was background may be new (unbiased cross entropy and "
        "distillation); new classes start as copies of the background",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718",
        "saticl.methods.mib:MiB",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "lwf",
        "the scores of old classes stay as the previous model gave them",
        "Li and Hoiem, ECCV 2016, arXiv:1606.09282",
        "saticl.methods.lwf:LwF",
        defaults={"kd.decoder_factor": 100.0},
        reads=frozenset({"kd.decoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "lwf-mc",
        "LwF with one sigmoid per class instead of a softmax",
        "Rebuffi et al., CVPR 2017, arXiv:1611.07725",
        "saticl.methods.lwf_mc:LwFMC",
        defaults={"kd.decoder_factor": 10.0},
        reads=frozenset({"kd.decoder_factor"}),
        ignores=frozenset({"ce", "class_weights"}),
    ),
    MethodSpec(
        "ilt",
        "LwF, and the encoder's features also stay",
        "Michieli and Zanuttigh, ICCVW 2019, arXiv:1907.13372",
        "saticl.methods.ilt:ILT",
        defaults={"kd.decoder_factor": 100.0, "kd.encoder_factor": 100.0},
        reads=frozenset({"kd.decoder_factor", "kd.encoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "ewc",
        "weights that the loss was sensitive to are held in place",
        "Kirkpatrick et al., PNAS 2017, arXiv:1612.00796",
        "saticl.methods.ewc:EWC",
        published="saticl.methods.ewc:PublishedEWC",
        reads=frozenset({"ewc"}),
    ),
    MethodSpec(
        "pi",
        "weights that lowered the loss are held in place (synaptic intelligence)",
        "Zenke et al., ICML 2017, arXiv:1703.04200",
        "saticl.methods.pi:PI",
        published="saticl.methods.pi:PublishedPI",
        reads=frozenset({"pi"}),
    ),
    MethodSpec(
        "rw",
        "EWC and PI together (Riemannian walk)",
        "Chaudhry et al., ECCV 2018, arXiv:1801.10112",
        "saticl.methods.rw:RW",
        published="saticl.methods.rw:PublishedRW",
        reads=frozenset({"rw"}),
    ),
    MethodSpec(
        "plop",
        "the previous model labels old classes in the background, and features stay at several scales",
        "Douillard et al., CVPR 2021, arXiv:2011.11390",
        "saticl.methods.plop:PLOP",
        published="saticl.methods.plop:PublishedPLOP",
        defaults={"model.init_balanced": True},
        reads=frozenset({"plop"}),
    ),
    MethodSpec(
        "lgkd",
        "PLOP, and scores stay as the previous model gave them, corrected by the labels",
        "Yang et al., ICCV 2023, pp. 18601-18612",
        "saticl.methods.lgkd:LGKD",
        published="saticl.methods.lgkd:PublishedLGKD",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "lgkd"}),
    ),
    MethodSpec(
        "cil",
        "labels teach the new classes, the previous model teaches all other pixels",
        "Klingner et al., ITSC 2020, arXiv:2005.06050",
        "saticl.methods.cil:CIL",
        defaults={"kd.decoder_factor": 1.0},
        reads=frozenset({"kd.decoder_factor", "cil"}),
    ),
    MethodSpec(
        "cbd",
        "our own: as cil, but every new class weighs the same, however few its pixels; the default of --extend",
        "-",
        "saticl.methods.cbd:CBD",
        defaults={"kd.decoder_factor": 5.0},
        reads=frozenset({"kd.decoder_factor"}),
        ignores=frozenset({"ce"}),
    ),
    MethodSpec(
        "hciss",
        "reconstruction: labels and features guided by what the previous model recognises",
        "after Rong et al., IEEE TGRS 2022, document 9762919; no code or full text known",
        "saticl.methods.hciss:HCISS",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha", "hciss"}),
    ),
    MethodSpec(
        "micro",
        "reconstruction: MiB, and pixels of all images of a batch keep their relations",
        "after Rong et al., IEEE TGRS 2023, document 10188852; no code or full text known",
        "saticl.methods.micro:MiCro",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha", "micro"}),
    ),
    MethodSpec(
        "mbs",
        "what may be an old class is not trained as background; features and scores stay, corrected by the labels; "
        "new classes are turned away from all others",
        "Park et al., ECCV 2024, arXiv:2407.11859",
        "saticl.methods.mbs:MBS",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "mbs"}),
    ),
)
