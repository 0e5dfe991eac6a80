"""The HTML report of a run, and the image of a schedule. Imports neither TensorFlow nor Prefect."""

from handler.report.curves_image import curves_image as curves_image
from handler.report.image import draw_schedule as draw_schedule
from handler.report.page import write_report as write_report

__all__ = ["curves_image", "draw_schedule", "write_report"]
