"""The HTML report of a run, and the image of a schedule, without TensorFlow and Prefect.

Read `page` with `report.html`, `curves`, `layer_spans` and `schedule_svg`; then `comparison` for sweeps and
`schedule_png` and `standalone_curves` for other places. All use `svg`, `number_format` and `templates`.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "curves_image": "handler.report.standalone_curves",
    "draw_schedule": "handler.report.schedule_png",
    "write_report": "handler.report.page",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
