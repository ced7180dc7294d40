"""Which columns may separate classes by themselves."""

import numpy as np

from probnn.fitting.ranges import apart


def test_columns_whose_classes_overlap_are_left_out():
    codes = np.array([0, 0, 1, 1, 3, 3])  # class 2 is absent
    x = np.array(
        [  # apart, touching, equal ranges, one within another, only class 3 apart, apart downwards
            [0.0, 0.0, 0.0, 0.0, 0.0, 9.0],
            [1.0, 1.0, 1.0, 9.0, 2.0, 8.0],
            [2.0, 1.0, 0.0, 1.0, 1.0, 7.0],
            [3.0, 2.0, 1.0, 2.0, 3.0, 6.0],
            [0.0, 0.0, 0.0, 1.5, 4.0, 9.0],
            [9.0, 9.0, 1.0, 3.0, 5.0, 2.0],
        ]
    )
    expected = [True, True, False, False, True, True]
    for blocks in ([slice(0, 6)], [slice(0, 1), slice(1, 6)]):
        assert apart(x, codes, 4, blocks).tolist() == expected
