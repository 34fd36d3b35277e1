"""MaskPlus, R50-FPN: all five techniques in the paper's best settings.

MaskPlus (WACV 2020), section 4. The paper has figures of the five together for R101-FPN
alone (Table 7, `maskplus/maskplus_r101`); this is the same on the trunk of its Tables 1
to 6.

    tfmask train maskplus/maskplus_r50 data.train=... data.val=... \\
        model.backbone.weights=...
"""

from tfmask.config import Config
from tfmask.configs.maskplus._base import maskplus


def config() -> Config:
    value = maskplus()
    return value
