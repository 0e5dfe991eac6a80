"""The HTML report of a run, and the image of a schedule. Imports neither TensorFlow nor Prefect."""

from handler.report.curves_svg import curves_image
from handler.report.page import write_report as write_report
from handler.report.schedule_png import draw_schedule

__all__ = ["curves_image", "draw_schedule", "write_report"]
