"""Package metadata. The settings of the tools stand in ruff.toml and pytest.ini."""

import re
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "tfmask" / "__init__.py").read_text(), re.M
).group(1)

# The compiled ops are built where the building Python has TensorFlow and there is a
# compiler; without them tfmask uses stock TensorFlow ops.
BUILD = ROOT / "custom_ops" / "build.py"
if BUILD.exists() and {"bdist_wheel", "editable_wheel"} & set(sys.argv):
    subprocess.run([sys.executable, str(BUILD), "--if-possible"], check=True)


class PlatformDistribution(Distribution):
    """A wheel that holds a compiled library is for one platform."""

    def has_ext_modules(self):
        libraries = any((ROOT / "tfmask" / "_lib").glob("*.so"))
        return "bdist_wheel" in sys.argv and libraries


setup(
    name="tfmask",
    distclass=PlatformDistribution,
    package_data={
        "tfmask": ["_lib/*.so", "py.typed", "export/page.html", "report/page.*"]
    },
    version=VERSION,
    description="Instance segmentation for TensorFlow and Keras",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    # The recipes lie in configs/ at the top of a checkout; the link
    # tfmask/configs makes them the package tfmask.configs.
    packages=find_packages(include=["tfmask", "tfmask.*"]),
    entry_points={"console_scripts": ["tfmask = tfmask.cli:main"]},
    # Both TensorFlow lines fit: 2.15.1 with Keras 2.15, and up to 2.21 with Keras 3.
    # The headless OpenCV needs no display libraries; it must not be installed beside
    # opencv-python, because both are the module cv2.
    install_requires=[
        "tensorflow>=2.15.1,<2.22",
        "keras>=2.15,<4",
        "numpy>=1.26",
        "h5py>=3.10",
        "pycocotools>=2.0.8",
        "opencv-python-headless>=4.8",
        "pillow>=10.1",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.15.1,<2.22"],
        "addons": [
            "tensorflow==2.15.1",
            "keras==2.15.0",
            "tensorflow-addons==0.23.0",
            "numpy<2",
            "opencv-python-headless<4.12",
        ],
        "tensorboard": ["tensorboard"],
        "beam": ["apache-beam>=2.70"],
        "litert": ["ai-edge-litert>=2.0"],
        "onnx": ["onnxruntime>=1.20", "tf2onnx>=1.17"],
        "openvino": ["openvino>=2025.0"],
        "serve": ["flask>=3", "waitress>=3"],
        "dev": [
            "coverage>=7.10",
            "faster-coco-eval",
            "mypy",
            "pytest",
            "ruff",
            "setuptools",
            "wheel",
        ],
    },
)
