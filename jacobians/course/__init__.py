"""`jb.course`: exercises in Jacobians, backward passes and formulas, and a grader that explains.

An ``Assignment`` has ``tasks``, each made of a forward function; ``drawing`` makes the points at which it is
asked, ``typed`` reads formulas. ``grade`` (``grading``) runs a ``submissions`` file in a process that
``confinement`` starts (``warden`` shuts it in, ``runner`` is what the submission runs in); ``marking`` judges
what comes out, ``hints`` turns a diagnosis into a student's words, and ``scores`` tells. ``exports`` writes
the formats of other graders, ``packing`` their upload, ``inside`` serves their notebooks.

Floor 11. Imports errors, ground, display, tensor, transforms, verification, numerical.
"""

from jacobians.course.confinement import Limits, best_mode
from jacobians.course.drawing import (
    Draw,
    invertible,
    labels,
    normal,
    one_hot,
    positive,
    probabilities,
)
from jacobians.course.exports import (
    coderunner,
    csv_table,
    gradescope,
    nbgrader_cell,
    otter_test,
    prairielearn,
)
from jacobians.course.grading import grade, read_assignment
from jacobians.course.inside import cell_score, require_part
from jacobians.course.packing import pack
from jacobians.course.scores import GradeReport
from jacobians.course.tasks import (
    Assignment,
    CostTask,
    FormulaTask,
    JvpTask,
    TensorTask,
    ValueTask,
    VjpTask,
)

__all__ = [
    "Assignment",
    "CostTask",
    "Draw",
    "FormulaTask",
    "GradeReport",
    "JvpTask",
    "Limits",
    "TensorTask",
    "ValueTask",
    "VjpTask",
    "best_mode",
    "cell_score",
    "coderunner",
    "csv_table",
    "grade",
    "gradescope",
    "invertible",
    "labels",
    "nbgrader_cell",
    "normal",
    "one_hot",
    "otter_test",
    "pack",
    "positive",
    "prairielearn",
    "probabilities",
    "read_assignment",
    "require_part",
]
